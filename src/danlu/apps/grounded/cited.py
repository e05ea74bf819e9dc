"""A piece of a document that an answer rests on, and whether it still stands there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from danlu.index.document import Document, Found

Look = Callable[[str], Document | None]
"""The document of an id as it is now; None where there is none any more."""


@dataclass(frozen=True)
class Cited:
    """A piece of a document: `text` is `document.text[start:end]`.

    - `number`: of the passage that it is in, as an answer writes it: 1 is `[1]`.
    """

    number: int
    document: str
    title: str
    start: int
    end: int
    text: str

    def to_plain(self) -> dict[str, Any]:
        """As programs read it."""
        return {**self.__dict__}


def cited(passage: Found, number: int, start: int, end: int) -> Cited:
    """The characters from `start` to `end` of a passage, counted in its document."""
    return Cited(
        number, passage.document, passage.title, passage.start + start, passage.start + end, passage.text[start:end]
    )


def stands(piece: Cited, look: Look) -> bool:
    """Whether the document still says so in that place."""
    document = look(piece.document)
    return document is not None and document.text[piece.start : piece.end] == piece.text


def standing(passages: Iterable[Found], look: Look) -> list[Found]:
    """The passages that their documents still hold."""
    texts: dict[str, str | None] = {}
    for each in passages:
        if each.document not in texts:
            document = look(each.document)
            texts[each.document] = None if document is None else document.text
    return [
        each
        for each in passages
        if (text := texts[each.document]) is not None and text[each.start : each.end] == each.text
    ]
