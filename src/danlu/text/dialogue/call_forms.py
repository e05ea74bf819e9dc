"""How a template writes calls of tools, read off the template itself: shown two made calls, it shows its form."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from danlu.refusal import Refusal
from danlu.text.dialogue.braced_calls import BracedCalls, shown_braces
from danlu.text.dialogue.calls import CallForm
from danlu.text.dialogue.listed_calls import ListedCalls, shown_lists
from danlu.text.dialogue.object_calls import NamedCalls, ObjectCalls, shown_objects
from danlu.text.dialogue.python_calls import UNESCAPED, PythonCalls, shown_python
from danlu.text.dialogue.schemas import type_of
from danlu.text.dialogue.thoughts import CLOSED, OPENED
from danlu.text.dialogue.writer import Writer
from danlu.text.tokenizing.tokenizer import Tokenizer, special_ids, special_tokens

AnyForm = ObjectCalls | NamedCalls | BracedCalls | PythonCalls | ListedCalls
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
    ("g", {"list": [1, "二", [True]], "object": {"k": {"m": "v"}}, "text": "3", "start-date": "a"}),
]
"""Calls by which a form is proved: of any number, name, key and type."""


def form_of_calls(jinja: str, tokenizer: Tokenizer, ends: Collection[int] = ()) -> CallForm | None:
    """How a template writes calls; None where it writes none, or in no form that is known.

    `ends` are the tokens that end an answer; other special tokens around calls are words of the form.
    """
    writer = Writer(jinja, tokenizer, 0, _TOOLS)
    special = {str(tokenizer.convert_ids_to_tokens(number)): number for number in special_ids(tokenizer)}
    for count in (2, 1):
        with suppress(Refusal):
            shown = _Shown(writer, frozenset(map(str, tokenizer.convert_ids_to_tokens([*ends]))))
            form = _form(shown, count)
            if form is not None and (isinstance(form, ObjectCalls) or _reads(form, shown)):  # objects say what is what
                words = [value for value in form.model_dump().values() if isinstance(value, str)]
                kept = {token: number for token, number in special.items() if any(token in word for word in words)}
                found: CallForm = type(form).model_validate({**form.model_dump(), "kept": kept})
                return found
    return None


def _reads(form: CallForm, shown: "_Shown") -> bool:
    """Whether a form reads back what the template writes, of all calls together or, where it wants that, of each."""
    tools = [_tool(name, {key: type_of(value) for key, value in given.items()}) for name, given in _ODD]
    told = _Shown(Writer(shown.writer.jinja, shown.writer.tokenizer, 0, tools), shown.ends)
    for calls in [_ODD] if form.between is not None else [[each] for each in _ODD]:
        text = told.calls(calls, first=5)
        found = [] if text is None else form.read(text, tools)[1]
        if [(each["function"]["name"], each["function"]["arguments"]) for each in found] != calls:
            return False
    return True


def _form(shown: "_Shown", count: int) -> CallForm | None:
    names = _NAMES[:count]
    text = shown.calls([(name, _ARGUMENTS) for name in names])
    if text is None:
        return None
    if (found := shown_objects(text, names, _ARGUMENTS) or shown_braces(text, names, _ARGUMENTS)) is not None:
        return found
    first, second = _ARGUMENTS
    others = [shown.calls([(names[0], given)]) or "" for given in ({first: UNESCAPED}, {first: True, second: None})]
    if (called := shown_python(text, others, names, _ARGUMENTS)) is not None:
        return called
    empty = shown.calls([(name, {}) for name in names])
    return None if empty is None else shown_lists(text, empty, names, [_ARGUMENTS] * count)


class _Shown:
    """What a template writes of made calls, without thoughts and what ends an answer: `ends`, texts of tokens."""

    def __init__(self, writer: Writer, ends: frozenset[str]) -> None:
        self.writer, self.ends = writer, ends
        added = (token.content for token in writer.tokenizer.added_tokens_decoder.values())
        self._special, self._added = map(_any_of, (special_tokens(writer.tokenizer), added))

    def calls(self, called: Sequence[tuple[str, Mapping[str, Any]]], first: int = 1) -> str | None:
        """What is written of some calls; None where it begins otherwise than what is asked.

        `first` is the number of the first call, which its id tells.
        """
        calls: list[dict[str, Any]] = [
            {"id": f"danlu000{place}", "type": "function", "function": {"name": name, "arguments": dict(arguments)}}
            for place, (name, arguments) in enumerate(called, first)
        ]
        text = self._behind_asked({"content": "", "tool_calls": calls})
        said = self._behind_asked({"content": "danlu"}) or ""
        if text is None:
            return None
        usual = set(self._special.findall(said))
        ends, added = self.ends | usual, [*self._added.finditer(text)]
        last = [found.start() for found in added if found[0] in ends]
        if not last and usual and added and len(called) > 1 and text.count(added[-1][0]) == 1:
            last = [added[-1].start()]  # an end of its own: what closes calls would stand behind each, or before one
        if last and not self._added.sub("", text[last[-1] :]).strip():
            text = text[: last[-1]]
        whole = self._special.sub(lambda found: "" if found[0] in ends else found[0], text)
        return re.sub(rf"^\s*(?:{OPENED})?[^{{]*?{CLOSED}", "", whole)

    def _behind_asked(self, answer: dict[str, Any]) -> str | None:
        question = {"role": "user", "content": "a"}
        asked = re.sub(rf"{OPENED}\s*$", "", self.writer.written([question], asks=True))
        whole = self.writer.written([question, {"role": "assistant", **answer}], asks=False)
        return whole[len(asked) :] if whole.startswith(asked) else None


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    """A pattern for one of some words; for nothing where there are none."""
    return re.compile("|".join(map(re.escape, sorted(words, key=len, reverse=True))) or r"(?!)")
