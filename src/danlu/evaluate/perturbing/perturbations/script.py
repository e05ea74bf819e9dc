"""Traditional and simplified Chinese."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from danlu.data.cleaning.cleaners.chinese import Chinese
from danlu.data.record import Record
from danlu.evaluate.perturbing.by_parts import by_rewriter
from danlu.evaluate.perturbing.perturbation import Perturbation


class Script(Perturbation):
    """Chinese in other characters, by phrases (OpenCC). Needs the extra `clean`."""

    to: Literal["simplified", "traditional", "taiwan", "hongkong"] = Field(
        default="traditional", description="the characters that it is written in then"
    )

    def perturbed(self, records: Sequence[Record], column: str, rng: np.random.Generator) -> list[Record]:
        """See `Perturbation.perturbed`."""
        return by_rewriter(Chinese(to=self.to), records, column)
