"""Small letters and capitals."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from danlu.data.record import Record
from danlu.evaluate.perturbing.by_parts import by_character, by_rewriter
from danlu.evaluate.perturbing.perturbation import Perturbation


class Case(Perturbation):
    """All letters small, or all of them capitals."""

    to: Literal["lower", "upper"] = Field(default="lower", description="which letters all become")

    def perturbed(self, records: Sequence[Record], column: str, rng: np.random.Generator) -> list[Record]:
        """See `Perturbation.perturbed`."""
        return by_rewriter(by_character(str.lower if self.to == "lower" else str.upper), records, column)
