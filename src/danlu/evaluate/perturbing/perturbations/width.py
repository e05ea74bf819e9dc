"""Letters, digits and marks in full width, as Chinese keyboards write them, and in half."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.perturbing.by_parts import by_character, by_rewriter
from danlu.evaluate.perturbing.perturbation import Perturbation

_SHIFT = 0xFF01 - 0x21  # from ! to ！ and so on, to ~ and ～


class Width(Perturbation):
    """All of ASCII but the space in full width, or all that has full width in half; marks such as 。 have no half."""

    to: Literal["full", "half"] = Field(default="full", description="which width all have then")

    def perturbed(self, records: Sequence[Record], column: str, rng: np.random.Generator) -> list[Record]:
        """See `Perturbation.perturbed`."""
        return by_rewriter(by_character(_full if self.to == "full" else _half), records, column)


def _full(character: str) -> str:
    return chr(ord(character) + _SHIFT) if "!" <= character <= "~" else character


def _half(character: str) -> str:
    return chr(ord(character) - _SHIFT) if "！" <= character <= "～" else character
