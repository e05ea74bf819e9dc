"""Texts that are unlike good text, by the perplexity of a model of characters (after CCNet: Wenzek et al., 2020)."""

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import Field, PrivateAttr

from danlu.data.cleaning.cleaner import Filter
from danlu.data.cleaning.ngram import NgramModel, learnt
from danlu.data.reading.format import open_records
from danlu.data.record import text_of
from danlu.refusal import Refusal

_CHARACTERS = 8_000_000
"""Good text that is read: more made the figures no better, and takes memory."""

_HELD_OUT = 10  # one in so many good texts is not learnt from; these set the limit

_NEEDED = 100  # good texts: with fewer, a limit that drops one in a hundred has nothing to stand on


class Perplexity(Filter):
    """Drops texts that a model of good text finds stranger than it finds nearly all good text.

    The model counts pieces of a few characters, in the files that are named or, without, in the first texts of the
    data itself; what it needs a character, in bits, is compared with what held-out good texts need.
    """

    good: str | None = Field(default=None, description="file with good text, in 'text'; None: the head of the data")
    drop: float = Field(default=0.01, gt=0, lt=0.5, description="share of good texts that are as strange as the limit")
    order: int = Field(default=3, ge=1, le=6, description="characters a piece; 3 for Chinese, 5 for English")
    minimum: int = Field(default=20, ge=1, description="characters from which a text is judged")

    _judge: tuple[NgramModel, float] | None = PrivateAttr(default=None)

    def inputs(self) -> list[str]:
        """The file with good text; see `Part.inputs`."""
        return [self.good] if self.good else []

    def fitted(self, texts: Sequence[str]) -> Self:
        """This filter with a model of these texts, unless a file with good text is named; see `Cleaner`."""
        if self.good is not None:
            return self
        known = self.model_copy()
        known._judge = _learnt(texts, self.order, self.drop, self.minimum, "the head of the data")
        return known

    def reasons(self, texts: Sequence[str]) -> list[str | None]:
        """`unlike good text` or None; see `Filter`."""
        if self.good is not None:
            model, limit = _learnt_from_file(self.good, _state(self.good), self.order, self.drop, self.minimum)
        else:
            assert self._judge is not None, "fitted() comes first"
            model, limit = self._judge
        rows = [row for row, text in enumerate(texts) if len(text) >= self.minimum]
        strange = set(np.flatnonzero(model.bits([texts[row] for row in rows]) > limit).tolist())
        found: list[str | None] = [None] * len(texts)
        for number, row in enumerate(rows):
            if number in strange:
                found[row] = "unlike good text"
        return found


def _state(path: str) -> tuple[int, int] | None:
    """What changes with a file; None for what is no file of its own, such as a pattern."""
    try:
        told = Path(path).stat()
    except OSError:
        return None
    return told.st_size, told.st_mtime_ns


@cache
def _learnt_from_file(
    path: str, _state: tuple[int, int] | None, order: int, drop: float, minimum: int
) -> tuple[NgramModel, float]:
    texts, characters = [], 0
    for record in open_records(path):
        texts.append(text_of(record))
        characters += len(texts[-1])
        if characters > _CHARACTERS:
            break
    return _learnt(texts, order, drop, minimum, path)


def _learnt(texts: Sequence[str], order: int, drop: float, minimum: int, where: str) -> tuple[NgramModel, float]:
    """The model of nine in ten of the texts, and the bits that a share of the rest exceeds."""
    chosen, characters = [], 0
    for text in texts:
        if len(text) >= minimum and characters < _CHARACTERS:
            chosen.append(text)
            characters += len(text)
    if len(chosen) < _NEEDED:
        raise Refusal(
            f"the cleaner 'perplexity' found {len(chosen):,} texts of {minimum} characters in {where}, and learns from "
            f"{_NEEDED} at least; name a file with more in 'good', or leave the cleaner out"
        )
    model = learnt([text for number, text in enumerate(chosen) if number % _HELD_OUT], order)
    return model, float(np.quantile(model.bits(chosen[::_HELD_OUT]), 1 - drop))
