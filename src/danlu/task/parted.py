"""Documents in pieces, sentences as a rule, and how two parts of one are drawn.

All that is drawn for a document follows from its own text, so it asks the same question whoever asks it.
"""

import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np

from danlu.data.characters.sentences import clauses, sentences
from danlu.machine.seed import generator
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer


class Pair(NamedTuple):
    """Two texts of a row, and whether they are not as the document has them."""

    first: str
    second: str
    wrong: bool


@dataclass(frozen=True)
class Document:
    """A text in pieces, sentences as a rule: where each begins and ends, and how many tokens it has."""

    text: str
    borders: list[tuple[int, int]]
    sizes: list[int]

    def part(self, start: int, stop: int) -> str:
        """The text of some pieces, `stop` exclusive; none where there are none."""
        if start >= stop:
            return ""
        return self.text[self.borders[start][0] : self.borders[stop - 1][1]]

    def filled(self, start: int, room: int) -> int:
        """The piece behind the last that fits into so many tokens, from one on; one always does."""
        stop, taken = start + 1, self.sizes[start]
        while stop < len(self.sizes) and taken + self.sizes[stop] <= room:
            taken += self.sizes[stop]
            stop += 1
        return stop


class Parts(NamedTuple):
    """Where the two parts of a pair begin, the piece behind the last, and whether the pair is to be wrong."""

    begin: int
    at: int
    stop: int
    wrong: bool


def parted(document: Document, start: int, room: int, rng: np.random.Generator) -> Parts:
    """Two parts of the pieces from `start` on; a last piece that is left alone is the second, behind the one before."""
    wrong, count = is_wrong(rng), len(document.sizes)
    if 0 < start == count - 1:
        return Parts(start - 1, start, count, wrong)
    stop = min(max(document.filled(start, room), start + 2), count)
    return Parts(start, start + 1 + int(rng.integers(max(1, stop - start - 1))), stop, wrong)


def passages(texts: Iterable[str], count: int, characters: int) -> tuple[str, ...]:
    """Beginnings of some of many texts that are gone through once, each text as likely as the other (Vitter, 1985)."""
    rng, kept = generator(0, "passages"), list[str]()
    for number, text in enumerate(text for text in texts if text.strip()):
        place = number if number < count else int(rng.integers(number + 1))
        if place < count:
            document = by_characters(text)
            kept[place : place + 1] = [document.part(0, document.filled(0, characters))[:characters]]
    return tuple(kept)


def in_tokens(texts: Sequence[str], tokenizer: Tokenizer) -> list[Document]:
    """Texts in pieces that are counted in tokens."""
    borders = [_borders(text) for text in texts]
    pieces = [text[start:end] for text, found in zip(texts, borders, strict=True) for start, end in found]
    sizes = iter([len(piece.ids) for piece in tokenized(pieces, tokenizer, offsets=False, special=False)])
    return [Document(text, found, list(islice(sizes, len(found)))) for text, found in zip(texts, borders, strict=True)]


def by_characters(text: str) -> Document:
    """A text in pieces that are counted in characters."""
    borders = _borders(text)
    return Document(text, borders, [end - start for start, end in borders])


def _borders(text: str) -> list[tuple[int, int]]:
    """Sentences; clauses where there is but one; halves where there is but one of these."""
    for cut in (sentences, clauses, _halves):
        found = cut(text)
        if len(found) > 1:
            return found
    return [(0, len(text))]


def _halves(text: str) -> list[tuple[int, int]]:
    """Two halves, which a space near the middle parts, if there is one."""
    middle = len(text) // 2
    space = text.find(" ", middle)
    middle = space if 0 < space < len(text) - 1 else middle
    return [(0, middle), (middle, len(text))] if middle > 0 and text.strip() else []


def dice(text: str, copy: int = 0) -> np.random.Generator:
    """What is drawn for a document, which follows from its text."""
    return np.random.default_rng([zlib.crc32(text.encode("utf-8", "replace")), copy])


def is_wrong(rng: np.random.Generator) -> bool:
    """Whether a pair is not to be as its document has it."""
    return bool(rng.random() < 0.5)
