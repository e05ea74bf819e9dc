"""How a template writes calls of tools, read off the template itself: shown two made calls, it shows its form."""

import re
from contextlib import suppress
from typing import Any

from danlu.refusal import Refusal
from danlu.text.dialogue.calls import CallForm
from danlu.text.dialogue.listed_calls import ListedCalls, shown_lists
from danlu.text.dialogue.object_calls import NamedCalls, ObjectCalls, shown_objects
from danlu.text.dialogue.thoughts import CLOSED, OPENED
from danlu.text.dialogue.writer import Writer
from danlu.text.tokenizing.tokenizer import Tokenizer, special_tokens

AnyForm = ObjectCalls | NamedCalls | ListedCalls
"""The forms that are known, as a bundle keeps the one of its template."""

_NAMES = ("danlu_first", "danlu_second")
_ARGUMENTS = {"danlu_key": "danlu value", "danlu_other": "danlu text"}
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "d",
            "parameters": {
                "type": "object",
                "properties": {key: {"type": "string", "description": "k"} for key in _ARGUMENTS},
            },
        },
    }
    for name in _NAMES
]


def form_of_calls(jinja: str, tokenizer: Tokenizer) -> CallForm | None:
    """How a template writes calls; None where it writes none, or in no form that is known."""
    writer = Writer(jinja, tokenizer, 0, _TOOLS)
    for count in (2, 1):
        with suppress(Refusal):
            return _form(writer, count)
    return None


def _form(writer: Writer, count: int) -> CallForm | None:
    text, names = _shown(writer, count, _ARGUMENTS), _NAMES[:count]
    if text is None:
        return None
    if (objects := shown_objects(text, names, _ARGUMENTS)) is not None:
        return objects
    empty = _shown(writer, count, {})
    return None if empty is None else shown_lists(text, empty, names, [_ARGUMENTS] * count)


def _shown(writer: Writer, count: int, arguments: dict[str, str]) -> str | None:
    """What a template writes of so many calls, without special tokens and thoughts; None where it begins otherwise."""
    calls: list[dict[str, Any]] = [
        {"id": f"danlu000{place}", "type": "function", "function": {"name": name, "arguments": dict(arguments)}}
        for place, name in enumerate(_NAMES[:count], 1)
    ]
    question = {"role": "user", "content": "a"}
    asked = re.sub(rf"{OPENED}\s*$", "", writer.written([question], asks=True))
    whole = writer.written([question, {"role": "assistant", "content": "", "tool_calls": calls}], asks=False)
    if not whole.startswith(asked):
        return None
    special = "|".join(map(re.escape, sorted(special_tokens(writer.tokenizer), key=len, reverse=True)))
    text = re.sub(special, "", whole[len(asked) :]) if special else whole[len(asked) :]
    return re.sub(rf"^\s*(?:{OPENED})?[^{{]*?{CLOSED}", "", text)
