"""The promise of how calls of tools are written by a model: where they begin in a text, and which they are.

What stands between the words of a form is read by `danlu.text.dialogue.object_calls`, `python_calls`,
`braced_calls` and `listed_calls`; which form a template has is found by `danlu.text.dialogue.call_forms`.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic import BaseModel, ConfigDict

from danlu.text.dialogue.thoughts import CLOSED, OPENED

ToolCall = dict[str, Any]
"""A call in the form of OpenAI: `{"type": "function", "function": {"name", "arguments"}}`, with arguments as values."""

Tools = Sequence[Mapping[str, Any]]
"""Tools that a model is told of, in the form of OpenAI."""

LONGEST = 100_000
"""Characters of a text that calls are looked for in."""

MOST_STARTS = 100
"""Places of a text where calls are looked for."""


class CallForm(ABC, BaseModel):
    """What stands before, between and behind calls; `between` is None where a message has one call alone.

    `kept` are the special tokens among these words, by their texts: they are text where a model writes them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: str
    between: str | None
    after: str
    kept: dict[str, int] = {}

    def read(self, text: str, tools: Tools = ()) -> tuple[str, list[ToolCall]]:
        """What is said before the calls, and these; all of the text and none where it holds none, or half of one.

        A small model may leave the words of the form out: a text that is nothing but calls of `tools` is read as such,
        where the form allows it.
        """
        if len(text) > LONGEST:
            return text, []
        return self._read(text, tools)

    def _read(self, text: str, tools: Tools) -> tuple[str, list[ToolCall]]:
        for start in self._starts(text):
            if calls := self._calls(text, start, tools):
                return text[:start].rstrip(), calls
        thought = behind_thoughts(text)
        bare = self._bare(text[thought:], tools) if tools and thought is not None else []
        return (text[:thought].rstrip(), bare) if bare else (text, [])

    def _closed(self, text: str, place: int) -> int:
        """The place behind the words behind calls; special tokens among them may be lacking at the end of a text."""
        closed = behind(text, place, self.after)
        if closed >= 0 or not self.kept:
            return closed
        return len(text) if re.compile(rf"\s*{last(self.after, self.kept)}").match(text, place) else -1

    def read_within(self, text: str, row: Callable[[int], tuple[list[ToolCall], int]]) -> tuple[str, list[ToolCall]]:
        """As `read`, of what may be said around rows of calls; `row` gives those at a place, and where they end."""
        said, calls, place = list[str](), list[ToolCall](), 0
        for start in self._starts(text):
            found, end = row(start) if start >= place else ([], start)
            if found:
                said.append(text[place:start].strip() if calls else text[place:start].rstrip())
                calls, place = [*calls, *found], end
        return ("\n".join(filter(None, (*said, text[place:].strip()))), calls) if calls else (text, [])

    def begin(self, text: str, tools: Tools = ()) -> int:
        """Where calls begin, or may begin with what is still to be written; the text's length where none does."""
        thought = behind_thoughts(text)
        bare = len(text)
        if tools and thought is not None and self._may_be_bare(text[thought:]):
            bare = thought
        return min(bare, self._begun(text))

    def _begun(self, text: str) -> int:
        """Where calls begin with the words of the form, or may; the text's length where none does."""
        for start in self._starts(text):
            rest = text[start:].lstrip()
            if (opened := behind(rest, 0, self.before)) >= 0:
                if self._may_follow(rest[opened:]):
                    return start
            elif self._squeezed.startswith("".join(rest.split())):
                return start
        if behind_thoughts(text) is None:
            return len(text)
        first = max(0, len(text) - 2 * len(self.before)) if self._marks else len(text)
        halves = (place for place in range(first, len(text)) if not text[place].isspace())
        return next((at for at in halves if self._squeezed.startswith("".join(text[at:].split()))), len(text))

    @abstractmethod
    def grammar(self, tools: Tools) -> str:
        """What may be written where one of some tools must be called, once, as a grammar in Lark's form.

        White space, which templates write around calls, may be left out.

        Raises:
            Refusal: of such calls a grammar cannot say what they hold; or the arguments of a tool are no object.
        """

    @abstractmethod
    def _calls(self, text: str, start: int, tools: Tools) -> list[ToolCall]:
        """The calls from a place to the end of the text; none where something else stands there."""

    @abstractmethod
    def _may_follow(self, rest: str) -> bool:
        """Whether what stands behind the words before calls is a call, or nothing yet."""

    def _bare(self, text: str, tools: Tools) -> list[ToolCall]:
        """The calls of tools in a text that holds nothing else, without the words of the form."""
        return []

    def _may_be_bare(self, text: str) -> bool:
        """Whether a text may become such a one."""
        return False

    @property
    def _squeezed(self) -> str:
        """What stands before calls without any white space."""
        return "".join(self.before.split())

    @property
    def _marks(self) -> bool:
        """Whether calls stand behind a word of their own; a bracket, or nothing, opens them at the beginning alone."""
        return len(self._squeezed) > 1

    def _starts(self, text: str) -> Iterator[int]:
        """Where calls may stand, behind what a model thinks before."""
        thought = behind_thoughts(text)
        if thought is None:
            return
        opened = text.lstrip().startswith(OPENED)
        if not self._marks:
            yield from ([] if opened else [0]) + ([thought] if thought else [])
            return
        words = re.compile(spaced(self.before))
        for found in islice(words.finditer(text, thought if opened else 0), MOST_STARTS):
            yield found.start()


def offered_in(tools: Tools | None) -> frozenset[str]:
    """The names of the tools that a model is told of."""
    told = [tool.get("function", tool) for tool in tools or () if isinstance(tool, Mapping)]
    return frozenset(each["name"] for each in told if isinstance(each, dict) and isinstance(each.get("name"), str))


def parameters_in(name: str, tools: Tools) -> Mapping[str, Any]:
    """The schema of what a tool takes; nothing where it is not offered, or does not say it."""
    for tool in tools:
        function = tool.get("function", tool) if isinstance(tool, Mapping) else None
        if isinstance(function, Mapping) and function.get("name") == name:
            parameters = function.get("parameters")
            return parameters if isinstance(parameters, Mapping) else {}
    return {}


def behind_thoughts(text: str) -> int | None:
    """The place behind what a model thinks before it answers; None where it has not come to the end of that."""
    if (closed := text.find(CLOSED)) >= 0:
        return closed + len(CLOSED)
    return None if text.lstrip().startswith(OPENED) else 0


def behind(text: str, place: int, words: str) -> int:
    """The place behind some words, whatever white space is between them; -1 where they do not stand there."""
    found = re.compile(rf"\s*{spaced(words)}\s*").match(text, place)
    return -1 if found is None else found.end()


def spaced(words: str) -> str:
    """A pattern for some words, whatever white space is between them."""
    return r"\s*".join(map(re.escape, words.split()))


def last(words: str, kept: Collection[str]) -> str:
    """A pattern for words at the end of a text, whose special tokens may be lacking there."""
    parts = re.split(f"({'|'.join(map(re.escape, sorted(kept, key=len, reverse=True)))})", words) if kept else [words]
    told = [rf"(?:{re.escape(part)})?\s*" if part in kept else rf"{spaced(part)}\s*" for part in parts]
    return "".join(told) + r"\Z"


def called(name: str, arguments: dict[str, Any]) -> ToolCall:
    """A call of the function `name`."""
    return {"type": "function", "function": {"name": name, "arguments": arguments}}
