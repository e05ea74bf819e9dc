"""What texts that were written are measured in: the scripts of the right ones, words and characters, runs of these."""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np

from danlu.data.characters.scripts import HAN, HANGUL, KANA, LATIN, LETTER, UNSPACED, kinds_of
from danlu.data.characters.side_by_side import code_points
from danlu.data.characters.word_cutting import word_borders
from danlu.evaluate.scoring.side import Side

Runs = Counter[tuple[Hashable, ...]]

LETTERS = (LATIN, HAN, KANA, HANGUL, UNSPACED, LETTER)
_SOME = 0.1
"""Of the letters, from which on a script is one of those that a text is written in; names in other ones are fewer."""


def right_texts(side: Side) -> list[str]:
    """All texts that are right, of all records."""
    return [text for texts in side.gold for text in texts]


def letters(text: str) -> Counter[int]:
    """How many letters of each script a text has."""
    kinds, counts = np.unique(kinds_of(code_points(text)), return_counts=True)
    return Counter(
        {kind: count for kind, count in zip(kinds.tolist(), counts.tolist(), strict=True) if kind in LETTERS}
    )


def scripts(texts: Iterable[str]) -> frozenset[int]:
    """The scripts that texts are written in."""
    counts = letters("".join(texts))
    return frozenset(kind for kind, count in counts.items() if count >= _SOME * counts.total())


def unit_of(texts: Iterable[str]) -> str:
    """What the texts are counted in: the character where they are written without spaces between words."""
    counts = letters("".join(texts))
    return "character" if 2 * sum(counts[kind] for kind in (HAN, KANA, UNSPACED)) > counts.total() else "word"


def units(texts: Sequence[str]) -> list[list[str]]:
    """Words of each text without capitals, where a Chinese character is one; signs and white space are none."""
    small = [text.lower() for text in texts]
    every = zip(small, word_borders(small, "character"), strict=True)
    return [[text[start:end] for start, end in borders] for text, borders in every]


def runs(items: Sequence[Hashable], length: int) -> Runs:
    """How often each run of so many items stands there."""
    return Counter(zip(*(items[start:] for start in range(length)), strict=False))
