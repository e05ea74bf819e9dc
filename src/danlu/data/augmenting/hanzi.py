"""Chinese characters: the common ones, those that look alike, and how one is exchanged."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np

_LOOKALIKES = Path(__file__).parent / "lookalikes.txt"


@cache
def common_characters() -> tuple[str, ...]:
    """The 3,755 characters of the first level of GB/T 2312 (1980), in its order, which is that of pinyin."""
    codes = [bytes([row, place]) for row in range(0xB0, 0xD8) for place in range(0xA1, 0xFF)]
    found = [code.decode("gb2312", errors="ignore") for code in codes]
    return tuple(character for character in found if character)


@cache
def lookalikes() -> dict[str, str]:
    """Characters that look like each common character, the likest first.

    From `lookalikes.txt`, which `benchmarks/lookalikes.py` made by comparing the drawings of two fonts.
    """
    rows = _LOOKALIKES.read_text(encoding="utf-8").splitlines()
    return {row[0]: row[1:] for row in rows if not row.startswith("#")}


def exchanged(word: str, options: Sequence[Sequence[str]], rng: np.random.Generator) -> str | None:
    """The word with one character exchanged for one of its options; None if no character has another one."""
    others = [[other for other in given if other != word[place]] for place, given in enumerate(options)]
    places = [place for place, given in enumerate(others) if given]
    if not places:
        return None
    place = places[int(rng.integers(len(places)))]
    return word[:place] + others[place][int(rng.integers(len(others[place])))] + word[place + 1 :]
