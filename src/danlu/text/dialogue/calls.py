"""How a template writes calls of tools, read off the template itself, and the calls in what a model has written so.

Most models write a call as an object in JSON between words of their own: `<tool_call>` and `</tool_call>` (Hermes,
Qwen), in a list (Mistral), or alone (Llama 3.1). A template that is shown two made calls shows its form.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any

from pydantic import BaseModel, ConfigDict

from danlu.data.reading.call_lines import values_of
from danlu.data.reading.json_text import parse
from danlu.refusal import Refusal
from danlu.text.dialogue.writer import Writer
from danlu.text.tokenizing.tokenizer import Tokenizer, special_tokens

ToolCall = dict[str, Any]
"""A call in the form of OpenAI: `{"type": "function", "function": {"name", "arguments"}}`, with arguments as values."""

LONGEST = 100_000
"""Characters of a text that calls are looked for in."""

MOST_STARTS = 100
"""Places of a text where calls are looked for."""

OPENED, CLOSED = "<think>", "</think>"

_DECODER = json.JSONDecoder()
_NAMES = ("danlu_first", "danlu_second")
_ARGUMENTS: Mapping[str, Any] = {"danlu_key": "danlu value"}
_TOOLS = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": "d",
            "parameters": {"type": "object", "properties": {"danlu_key": {"type": "string", "description": "k"}}},
        },
    }
    for name in _NAMES
]


class CallForm(BaseModel):
    """What stands before, between and behind calls, without white space, and where a call has its name and arguments.

    `between` is None where a template writes one call alone in a message.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: str
    between: str | None
    after: str
    name: tuple[str, ...]
    arguments: tuple[str, ...]

    def read(self, text: str) -> tuple[str, list[ToolCall]]:
        """What is said before the calls, and these; all of the text and none where it holds none, or half of one."""
        for start in self._starts(text) if len(text) <= LONGEST else ():
            if calls := self._calls(text, start):
                return text[:start].rstrip(), calls
        return text, []

    def begin(self, text: str) -> int:
        """Where calls begin, or may begin with what is still to be written; the text's length where none does."""
        for start in self._starts(text):
            rest = text[start:].lstrip()
            if rest.startswith(self.before):
                rest = rest[len(self.before) :].lstrip()
                if not rest or rest[0] == "{":
                    return start
            elif self.before.startswith(rest):
                return start
        halves = range(min(len(self.before) - 1, len(text)), 0, -1) if self._marks and not _thinks(text) else ()
        return len(text) - next((size for size in halves if self.before.startswith(text[-size:])), 0)

    @property
    def _marks(self) -> bool:
        """Whether calls stand behind a word of their own; a bracket, or nothing, opens them at the beginning alone."""
        return len(self.before) > 1

    def _starts(self, text: str) -> Iterator[int]:
        """Where calls may stand, behind what a model thinks before."""
        thought = text.find(CLOSED) + len(CLOSED) if CLOSED in text else 0
        opened = text.lstrip().startswith(OPENED)
        if opened and not thought:
            return
        if not self._marks:
            yield from ([] if opened else [0]) + ([thought] if thought else [])
            return
        start = text.find(self.before, thought if opened else 0)
        for _ in range(MOST_STARTS):
            if start < 0:
                return
            yield start
            start = text.find(self.before, start + 1)

    def _calls(self, text: str, start: int) -> list[ToolCall]:
        """The calls from a place to the end of the text; none where something else stands there."""
        calls: list[ToolCall] = []
        place = _behind(text, start, self.before)
        while place >= 0 and (found := self._call(text, place)) is not None:
            call, end = found
            calls.append(call)
            behind = _behind(text, end, self.after)
            if behind >= 0 and not text[behind:].strip():
                return calls
            place = self._next(text, end, behind)
        return []

    def _next(self, text: str, end: int, behind: int) -> int:
        """Where another call begins behind one, as the template joins them or opens the first; -1 for nowhere."""
        if self.between is None:
            return -1
        place = _behind(text, end, self.between)
        return _behind(text, behind, self.before) if place < 0 <= behind else place

    def _call(self, text: str, place: int) -> tuple[ToolCall, int] | None:
        """The call that stands at a place, and where it ends."""
        try:
            _, end = _DECODER.raw_decode(text, place)
            value = parse(text[place:end], "call")
            name, arguments = (_at(value, path) for path in (self.name, self.arguments))
            json.dumps(arguments := values_of(arguments), allow_nan=False)
        except (ValueError, KeyError, RecursionError):
            return None
        if not isinstance(name, str) or not isinstance(arguments, dict):
            return None
        return {"type": "function", "function": {"name": name, "arguments": arguments}}, end


def form_of_calls(jinja: str, tokenizer: Tokenizer) -> CallForm | None:
    """How a template writes calls; None where it writes none, or not as objects in JSON."""
    writer = Writer(jinja, tokenizer, 0, _TOOLS)
    for count in (2, 1):
        with suppress(Refusal):
            return _form(writer, count)
    return None


def _form(writer: Writer, count: int) -> CallForm | None:
    calls = [
        {"id": f"danlu000{place}", "type": "function", "function": {"name": name, "arguments": dict(_ARGUMENTS)}}
        for place, name in enumerate(_NAMES[:count], 1)
    ]
    question = {"role": "user", "content": "a"}
    asked = re.sub(rf"{OPENED}\s*$", "", writer.written([question], asks=True))
    whole = writer.written([question, {"role": "assistant", "content": "", "tool_calls": calls}], asks=False)
    if not whole.startswith(asked):
        return None
    special = "|".join(map(re.escape, sorted(special_tokens(writer.tokenizer), key=len, reverse=True)))
    text = re.sub(special, "", whole[len(asked) :]) if special else whole[len(asked) :]
    text = re.sub(rf"^\s*(?:{OPENED})?[^{{]*?{CLOSED}", "", text)
    found = [_object(text, name) for name in _NAMES[:count]]
    if any(each is None for each in found):
        return None
    (start, end, name, arguments), *second = [each for each in found if each is not None]
    last = second[-1] if second else (start, end, name, arguments)
    return CallForm(
        before=text[:start].strip(),
        between=text[end : second[0][0]].strip() if second else None,
        after=text[last[1] :].strip(),
        name=name,
        arguments=arguments,
    )


def _object(text: str, name: str) -> tuple[int, int, tuple[str, ...], tuple[str, ...]] | None:
    """Where the object of a call stands in a text, and the keys to its name and its arguments."""
    for found in re.finditer(r"\{", text):
        with suppress(ValueError):
            value, end = _DECODER.raw_decode(text, found.start())
            named = _path(value, lambda each: each == name)
            given = _path(value, lambda each: values_of(each) == _ARGUMENTS)
            if named is not None and given is not None:
                return found.start(), end, named, given
    return None


def _thinks(text: str) -> bool:
    """Whether all of a text is thought, which has not come to its end."""
    return CLOSED not in text and text.lstrip().startswith(OPENED)


def _behind(text: str, place: int, words: str) -> int:
    """The place behind some words, whatever white space is between them; -1 where they do not stand there."""
    found = re.compile(r"\s*".join(["", *map(re.escape, words.split()), ""])).match(text, place)
    return -1 if found is None else found.end()


def _at(value: Any, path: Sequence[str]) -> Any:
    """What stands there. Raises `KeyError` where nothing does."""
    for key in path:
        if not isinstance(value, dict):
            raise KeyError(key)
        value = value[key]
    return value


def _path(value: Any, wanted: Callable[[Any], bool]) -> tuple[str, ...] | None:
    """The keys to a wanted value within objects; None where there is none."""
    if wanted(value):
        return ()
    for key, inner in value.items() if isinstance(value, dict) else ():
        if (path := _path(inner, wanted)) is not None:
            return (key, *path)
    return None
