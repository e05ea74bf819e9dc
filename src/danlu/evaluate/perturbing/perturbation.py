"""The promise of a perturbation: records asked otherwise, their truth moved with the text (Ribeiro et al., 2020)."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from danlu.data.record import Record
from danlu.recipe.part import Part


class Perturbation(Part):
    """How records are asked otherwise, so that the right answer stays."""

    folder: ClassVar[str] = "danlu.evaluate.perturbing.perturbations"

    @abstractmethod
    def perturbed(self, records: Sequence[Record], column: str, rng: np.random.Generator) -> list[Record]:
        """The records in their order with a column changed; one in which nothing can be is given back itself.

        `text` stands for `tokens` where a record has no text. Marks of characters move with the text that they mark.
        """
