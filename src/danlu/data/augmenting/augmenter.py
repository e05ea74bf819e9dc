"""The promise of an augmenter: more rows for training, made of those that are there."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from danlu.data.record import Record
from danlu.recipe.part import Part

SOURCE_ROW = "source_row"
"""Column of an augmented row: the position, from 0, of the row that it was made of."""


class Augmenter(Part):
    """How new rows are made of given ones, their labels still true."""

    folder: ClassVar[str] = "danlu.data.augmenting.augmenters"

    @abstractmethod
    def augment(self, records: Sequence[Record], rng: np.random.Generator) -> list[Record]:
        """The new rows alone, each with the position of its source among `records` in `source_row`.

        A row that cannot be changed gives none, and no row is given that equals its source or another copy of it.
        Spans of characters (entities, answers, head, tail) keep their text. Raises `Refusal` naming the row and the
        column for a record without text.
        """
