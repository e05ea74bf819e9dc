"""What a conversation must be before it is written for a model."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from danlu.data.reading.call_lines import values_of
from danlu.data.reading.json_text import parse
from danlu.data.record import Record
from danlu.data.turns import ROLES, out_of_turn
from danlu.refusal import Refusal

Message = dict[str, Any]
"""The texts `role` and `content`; of one who calls tools or answers a call also `CALLS`, as a template reads them."""

CALLS = ("tool_calls", "tool_call_id", "name")

WEIGHT = "weight"
"""Of an answer: 0 where it is not to be learnt."""


def checked(value: Any, number: int) -> list[Message]:
    """The messages of record `number`, counted from 0, with their role and content alone.

    Raises:
        Refusal: it is no conversation: an unknown role, two in a row of one who speaks, a first word that is not the
            user's. Names the record and the message.
    """
    where = f"record {number + 1:,}: column 'messages'"
    if not isinstance(value, list) or not value:
        raise Refusal(f'{where} must be a list of messages, such as [{{"role": "user", "content": "..."}}]')
    found: list[Message] = []
    for place, message in enumerate(value, 1):
        role, content = (message.get(key) for key in ("role", "content")) if isinstance(message, dict) else (None, None)
        calls = _calls(message, role, f"{where}, message {place}")
        content = "" if content is None and "tool_calls" in calls else content
        if not isinstance(role, str) or not isinstance(content, str):
            raise Refusal(f"{where}, message {place}: expected an object with the texts 'role' and 'content'")
        if role not in ROLES:
            raise Refusal(f"{where}, message {place}: there is no role '{role:.40}'; expected {', '.join(ROLES)}")
        before = found[-1]["role"] if found else None
        if wrong := out_of_turn(role, before):
            raise Refusal(f"{where}, message {place}: {wrong}")
        found.append({"role": role, "content": content, **calls, **_weight(message, f"{where}, message {place}")})
    return found


def tools_in(record: Record, number: int) -> list[dict[str, Any]] | None:
    """What tools the model is told of in record `number`, counted from 0, in the form of OpenAI; None for none."""
    tools = record.get("tools")
    if isinstance(tools, str):  # as JSON, which tables keep it as, and others write it
        with suppress(Refusal):
            tools = parse(tools, "tools") if tools.strip() else None
    if tools is None or tools == []:
        return None
    if not isinstance(tools, list) or not all(isinstance(tool, dict) for tool in tools):
        raise Refusal(f"record {number + 1:,}: column 'tools' must be a list of objects, each of which tells of a tool")
    return tools


def _calls(message: Any, role: Any, where: str) -> dict[str, Any]:
    """What a message says of tools beside its text."""
    if role not in ("assistant", "tool"):
        return {}
    found = {name: message[name] for name in CALLS if message.get(name) not in (None, [])}
    if "tool_calls" in found:
        found["tool_calls"] = _plain(found["tool_calls"], where)
    return found


def _plain(calls: Any, where: str) -> list[dict[str, Any]]:
    """Calls whose arguments are values, as templates write them, and not JSON within JSON, as OpenAI sends them.

    Raises:
        Refusal: it is no list of calls.
    """
    found = []
    for call in calls if isinstance(calls, list) and calls else [None]:
        called = call.get("function") if isinstance(call, dict) else None
        if not isinstance(call, dict) or not isinstance(called, dict) or not isinstance(called.get("name"), str):
            raise Refusal(f"{where}: 'tool_calls' must be a list of objects, each with a 'function' that has a 'name'")
        found.append({**call, "function": {**called, "arguments": values_of(called.get("arguments"))}})
    return found


def with_short_ids(messages: Sequence[Message]) -> list[Message] | None:
    """The messages with ids of calls of nine letters and digits, which Mistral's templates want; None without calls.

    A call without an id has one that tells its place; the answers without one belong to the calls in their order.
    """
    found, waiting, count = [], list[str](), 0
    for message in messages:
        changed = dict(message)
        if "tool_calls" in message:
            waiting = []
            for call in message["tool_calls"]:
                count += 1
                waiting.append(_short(call.get("id") or f"call {count}"))
            pairs = zip(message["tool_calls"], waiting, strict=True)
            changed["tool_calls"] = [{**call, "id": short} for call, short in pairs]
        elif message["role"] == "tool":
            told = message.get("tool_call_id")
            changed["tool_call_id"] = _short(told) if told else (waiting.pop(0) if waiting else _short("call"))
        found.append(changed)
    return found if count else None


def with_json_arguments(messages: Sequence[Message]) -> list[Message]:
    """The messages with arguments of calls as JSON, which templates want that write them as they come (DeepSeek)."""

    def call_of(call: Mapping[str, Any]) -> dict[str, Any]:
        told = json.dumps(call["function"]["arguments"], ensure_ascii=False)
        return {**call, "function": {**call["function"], "arguments": told}}

    return [
        {**message, "tool_calls": [call_of(call) for call in message["tool_calls"]]}
        if "tool_calls" in message
        else dict(message)
        for message in messages
    ]


def _short(name: str) -> str:
    return name if re.fullmatch("[A-Za-z0-9]{9}", str(name)) else hashlib.sha256(str(name).encode()).hexdigest()[:9]


def _weight(message: Any, where: str) -> dict[str, int]:
    """That an answer is not to be learnt, where its `weight` says so, as for OpenAI.

    Raises:
        Refusal: it is neither 0 nor 1.
    """
    weight = message.get(WEIGHT)
    if weight not in (None, 0, 1):
        raise Refusal(f"{where}: 'weight' is '{weight!s:.40}'; write 0 for an answer that is not learnt, or 1")
    return {WEIGHT: 0} if weight == 0 and message["role"] == "assistant" else {}


def answered(messages: Sequence[Message], number: int) -> None:
    """Raises `Refusal` for a conversation that does not end with an answer, from which nothing can be learnt there."""
    last = messages[-1]
    if last["role"] != "assistant":
        raise Refusal(
            f"record {number + 1:,}: column 'messages' ends with a message of the {last['role']}, so there is "
            "no answer to learn; add it, or leave that message out"
        )
    for place, message in enumerate(messages, 1):
        if message["role"] == "assistant" and "tool_calls" not in message and not message["content"].strip():
            raise Refusal(f"record {number + 1:,}: column 'messages', message {place}: the answer is empty; write it")


def asked(messages: Sequence[Message], number: int) -> list[Message]:
    """The conversation up to where an answer is wanted; an answer that stands at its end is left out."""
    kept = list(messages[:-1] if messages[-1]["role"] == "assistant" else messages)
    if not kept or kept[-1]["role"] == "system":
        raise Refusal(f"record {number + 1:,}: column 'messages' asks nothing; add a message of the user")
    return kept
