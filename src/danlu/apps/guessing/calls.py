"""Conversations with calls of tools: how such are read, written for a fresh network, and measured."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

from danlu.data.record import Record

MARKS = ["<|im_start|>", "<|im_end|>"]
"""The special tokens of the template that writes calls (`chatml`)."""


def tells_of_calls(first: Mapping[str, Any]) -> bool:
    """Whether an object of a file, as it stands there, tells of tools or calls one."""
    talks = [first[key] for key in ("messages", "conversations") if isinstance(first.get(key), list)]
    called = any(
        isinstance(turn, dict) and (turn.get("tool_calls") or turn.get("function_call") or _calls(turn))
        for turn in (turn for talk in talks for turn in talk)
    )
    return bool(called or first.get("tools") or first.get("functions"))


def _calls(turn: Mapping[str, Any]) -> bool:
    return str(turn.get("from", turn.get("role"))).lower() == "function_call"


def kept_calls(records: Iterable[Record]) -> bool:
    """Whether records that were read hold calls in the form of OpenAI, or tell of tools, which not all templates do."""
    found = list(records)
    messages = [record["messages"] for record in found if isinstance(record.get("messages"), list)]
    called = any(isinstance(each, dict) and each.get("tool_calls") for talk in messages for each in talk)
    return called or any(record.get("tools") for record in found)


def told_characters(record: Record) -> int:
    """About how much a template writes of the tools of a record."""
    tools = record.get("tools")
    return len(tools if isinstance(tools, str) else json.dumps(tools, ensure_ascii=False, default=str)) if tools else 0
