"""Punctuation left out, or that of the other language."""

import re
from collections.abc import Sequence
from typing import Literal
from unicodedata import category

import numpy as np
from pydantic import Field

from danlu.data.characters.alignment import Edit
from danlu.data.record import Record
from danlu.evaluate.perturbing.by_parts import Spelled, by_character, by_rewriter
from danlu.evaluate.perturbing.perturbation import Perturbation

_CHINESE, _ENGLISH = "，。！？；：（）", ",.!?;:()"

_RUN = re.compile(r"(?<=[^\W_])(?P<within>[^\w\s]|_)(?=[^\W_])|[^\w\s]|_")


class Punctuation(Perturbation):
    """Marks left out, but those within a word or number (don't, 3.14); or in their Chinese or English form.

    The form changes marks behind a word or before one, not the point of a number.
    """

    to: Literal["none", "chinese", "english"] = Field(default="none", description="which marks there are then")

    def perturbed(self, records: Sequence[Record], column: str, rng: np.random.Generator) -> list[Record]:
        """See `Perturbation.perturbed`."""
        if self.to == "english":
            back = dict(zip(_CHINESE, _ENGLISH, strict=True))
            return by_rewriter(by_character(lambda mark: back.get(mark, mark)), records, column)
        new = {} if self.to == "none" else dict(zip(_ENGLISH, _CHINESE, strict=True))
        return by_rewriter(Spelled(edits=lambda text: _edits(text, new or None)), records, column)


def _edits(text: str, new: dict[str, str] | None) -> list[Edit]:
    """What becomes of each mark that is not within a word; None: it goes."""
    found = []
    for mark in _RUN.finditer(text):
        sign = mark[0]
        if (mark["within"] and text[mark.start() - 1].isascii() and text[mark.end()].isascii()) or not _is_mark(sign):
            continue
        if new is None or sign in new:
            found.append((mark.start(), mark.end(), "" if new is None else new[sign]))
    return found


def _is_mark(sign: str) -> bool:
    return category(sign).startswith("P")
