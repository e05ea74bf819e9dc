"""What a generator writes from past answers, if each sentence of it stands in one of them."""

import re
from collections.abc import Callable, Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danlu.apps.assistant.finding import ANSWER, Finder
from danlu.index.document import Document, Found
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

_MARK = re.compile(r"\[(\d{1,3})\](?!\w)")
"""What `danlu.apps.grounded.cite` writes behind a sentence; a number in brackets before a word is of the text."""


_WIDER = 4
"""Times as many pieces as are given are looked at, for of those of one answer that was kept twice one is left out."""


@dataclass(frozen=True)
class Written:
    """A text whose sentences say where they come from: `[1]` is the first of `entries`."""

    text: str
    entries: tuple[str, ...]


def passages_of(finder: Finder, sought: str, aside: Set[str], limit: int) -> list[Found]:
    """Pieces of past answers, without entries `aside` and those that no question leads to any more."""
    found = finder.index.search(sought, limit=_WIDER * limit + len(aside), where={"side": ANSWER})
    left_out = {*map(finder.known.first, aside)}
    names = ((each, _entry(each.document)) for each in found)
    return [each for each, name in names if name not in left_out and finder.known.of_entry.get(name)][:limit]


def written(
    look: Callable[[str], Document | None], sought: str, passages: list[Found], generator: "Answering"
) -> Written | None:
    """What `generator` writes from these pieces, whose documents `look` gives as they are after that.

    None where it does not, or nothing of it stands there, or the question is longer than it takes.
    """
    from danlu.apps.grounded.grounded import Grounder

    try:
        grounded = Grounder(generator=generator).answer(sought, passages, look)
    except Refusal:
        return None
    if not grounded.answered or grounded.way != "write":
        return None
    entries = tuple(dict.fromkeys(_entry(each.document) for each in grounded.cited))
    numbers = {each.number: entries.index(_entry(each.document)) + 1 for each in grounded.cited}

    def renumbered(mark: re.Match[str]) -> str:
        number = numbers.get(int(mark[1]))
        return mark[0] if number is None else f"[{number}]"

    return Written(_MARK.sub(renumbered, grounded.text), entries)


def unmarked(text: str) -> str:
    """A written text without the numbers of what it comes from."""
    return _MARK.sub("", text)


def _entry(document: str) -> str:
    return document.partition(":")[2]
