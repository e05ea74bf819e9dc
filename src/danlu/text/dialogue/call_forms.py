"""How a template writes calls of tools, read off the template itself: shown two made calls, it shows its form."""

import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from danlu.refusal import Refusal
from danlu.text.dialogue.calls import CallForm
from danlu.text.dialogue.listed_calls import ListedCalls, shown_lists
from danlu.text.dialogue.object_calls import NamedCalls, ObjectCalls, shown_objects
from danlu.text.dialogue.python_calls import UNESCAPED, PythonCalls, shown_python
from danlu.text.dialogue.schemas import type_of
from danlu.text.dialogue.thoughts import CLOSED, OPENED
from danlu.text.dialogue.writer import Writer
from danlu.text.tokenizing.tokenizer import Tokenizer, special_tokens

AnyForm = ObjectCalls | NamedCalls | PythonCalls | ListedCalls
"""The forms that are known, as a bundle keeps the one of its template."""

_NAMES = ("danlu_first", "danlu_second")
_ARGUMENTS = {"danlu_key": "danlu value", "danlu_other": "danlu text"}


def _tool(name: str, types: Mapping[str, str]) -> dict[str, Any]:
    """A tool that takes values of these types."""
    properties = {key: {"type": kind, "description": "k"} for key, kind in types.items()}
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "description": "d", "parameters": parameters}}


_TOOLS = [_tool(name, dict.fromkeys(_ARGUMENTS, "string")) for name in _NAMES]


_ODD: list[tuple[str, dict[str, Any]]] = [
    ("danlu.third-one", {"a": "two\nlines, 引号 \" and ' and 2", "n": 7, "x": -0.5, "yes": True, "none": None}),
    ("f", {}),
    ("g", {"list": [1, "二", [True]], "object": {"k": {"m": "v"}}, "text": "3"}),
]
"""Calls by which a form is proved: of any number, name, key and type."""


def form_of_calls(jinja: str, tokenizer: Tokenizer) -> CallForm | None:
    """How a template writes calls; None where it writes none, or in no form that is known."""
    writer = Writer(jinja, tokenizer, 0, _TOOLS)
    for count in (2, 1):
        with suppress(Refusal):
            form = _form(writer, count)
            if isinstance(form, ObjectCalls) or (form is not None and _reads(form, writer)):
                return form  # an object tells by itself what is what
    return None


def _reads(form: CallForm, writer: Writer) -> bool:
    """Whether a form reads back what the template writes, of all calls together or, where it wants that, of each."""
    tools = [_tool(name, {key: type_of(value) for key, value in given.items()}) for name, given in _ODD]
    told = Writer(writer.jinja, writer.tokenizer, 0, tools)
    for calls in [_ODD] if form.between is not None else [[each] for each in _ODD]:
        text = _shown(told, calls, first=5)
        found = [] if text is None else form.read(text, tools)[1]
        if [(each["function"]["name"], each["function"]["arguments"]) for each in found] != calls:
            return False
    return True


def _form(writer: Writer, count: int) -> CallForm | None:
    names = _NAMES[:count]
    text = _shown(writer, [(name, _ARGUMENTS) for name in names])
    if text is None:
        return None
    if (objects := shown_objects(text, names, _ARGUMENTS)) is not None:
        return objects
    unescaped = _shown(writer, [(names[0], {next(iter(_ARGUMENTS)): UNESCAPED})])
    if unescaped is not None and (called := shown_python(text, unescaped, names, _ARGUMENTS)) is not None:
        return called
    empty = _shown(writer, [(name, {}) for name in names])
    return None if empty is None else shown_lists(text, empty, names, [_ARGUMENTS] * count)


def _shown(writer: Writer, called: Sequence[tuple[str, Mapping[str, Any]]], first: int = 1) -> str | None:
    """What a template writes of some calls, without special tokens and thoughts; None where it begins otherwise.

    `first` is the number of the first call, which its id tells.
    """
    calls: list[dict[str, Any]] = [
        {"id": f"danlu000{place}", "type": "function", "function": {"name": name, "arguments": dict(arguments)}}
        for place, (name, arguments) in enumerate(called, first)
    ]
    question = {"role": "user", "content": "a"}
    asked = re.sub(rf"{OPENED}\s*$", "", writer.written([question], asks=True))
    whole = writer.written([question, {"role": "assistant", "content": "", "tool_calls": calls}], asks=False)
    if not whole.startswith(asked):
        return None
    special = "|".join(map(re.escape, sorted(special_tokens(writer.tokenizer), key=len, reverse=True)))
    text = re.sub(special, "", whole[len(asked) :]) if special else whole[len(asked) :]
    return re.sub(rf"^\s*(?:{OPENED})?[^{{]*?{CLOSED}", "", text)
