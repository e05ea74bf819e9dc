"""Calls of tools as text: a line of JSON each, `{"name", "arguments"}`, behind what is said."""

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from danlu.data.reading.json_text import parse
from danlu.refusal import Refusal

KEYS = {"name", "arguments"}


def with_calls(said: str, calls: Any) -> str:
    """What is said and a line a call, of calls in the form of OpenAI; what is no such call is left out."""
    listed = calls if isinstance(calls, list) else []
    told = [call.get("function", call) if isinstance(call, dict) else call for call in listed]
    named = [each for each in told if isinstance(each, dict) and isinstance(each.get("name"), str)]
    lines = [line_of(each["name"], each.get("arguments", {})) for each in named]
    return "\n".join([*([said] if said or not lines else []), *lines])


def line_of(name: str, arguments: Any) -> str:
    """The line of a call, whose arguments are values whether they come as such or as JSON within JSON."""
    return json.dumps({"name": name, "arguments": values_of(arguments)}, ensure_ascii=False)


def values_of(arguments: Any) -> Any:
    """Arguments as values, where some write them as JSON within JSON, as OpenAI does, or none at all; no JSON stays."""
    if arguments is None or arguments == "":
        return {}
    if isinstance(arguments, str):
        with suppress(Refusal):
            return parse(arguments, "arguments")
    return arguments


def calls_in(text: str) -> Sequence[dict[str, Any]]:
    """The calls of the last lines of a text, in their order."""
    found: list[dict[str, Any]] = []
    for line in reversed(text.strip().split("\n")):
        try:
            value = parse(line, "call") if line.startswith("{") else None
        except Refusal:
            break
        if not isinstance(value, dict) or value.keys() != KEYS:
            break
        found.append(value)
    return found[::-1]
