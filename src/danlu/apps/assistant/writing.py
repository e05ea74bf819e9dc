"""What a generator writes from past answers, if each sentence of it stands in one of them."""

import re
from collections.abc import Set
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danlu.apps.assistant.finding import ANSWER, Finder
from danlu.index.document import Found

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

_MARK = re.compile(r"\[(\d{1,3})\]")


@dataclass(frozen=True)
class Written:
    """A text whose sentences say where they come from: `[1]` is the first of `entries`."""

    text: str
    entries: tuple[str, ...]


def passages_of(finder: Finder, sought: str, aside: Set[str], limit: int) -> list[Found]:
    """Pieces of past answers, without entries `aside` and those that no question leads to any more."""
    found = finder.index.search(sought, limit=limit + len(aside), where={"side": ANSWER})
    return [each for each in found if (name := _entry(each.document)) not in aside and finder.known.of_entry.get(name)][
        :limit
    ]


def written(finder: Finder, sought: str, passages: list[Found], generator: "Answering") -> Written | None:
    """What `generator` writes from these pieces; None where it does not, or nothing of it stands there."""
    from danlu.apps.grounded.grounded import Grounder

    grounded = Grounder(generator=generator).answer(sought, passages, finder.index.document)
    if not grounded.answered or grounded.way != "write":
        return None
    entries = tuple(dict.fromkeys(_entry(each.document) for each in grounded.cited))
    numbers = {each.number: entries.index(_entry(each.document)) + 1 for each in grounded.cited}
    return Written(_MARK.sub(lambda match: f"[{numbers[int(match[1])]}]", grounded.text), entries)


def unmarked(text: str) -> str:
    """A written text without the numbers of what it comes from."""
    return _MARK.sub("", text)


def _entry(document: str) -> str:
    return document.partition(":")[2]
