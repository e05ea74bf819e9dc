"""Texts said otherwise by any augmenter, such as a paraphrase by two bundles that translate there and back."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from danlu.data.augmenting.augmenter import Augmenter
from danlu.data.record import Record
from danlu.evaluate.perturbing.by_parts import by_augmenter
from danlu.evaluate.perturbing.perturbation import Perturbation


class Augmented(Perturbation):
    """What an augmenter makes of each record; of an augmenter with a column it is each that is read."""

    by: Augmenter = Field(description="such as {kind: back_translation, there: BUNDLE, back: BUNDLE}, or lookalike")

    def perturbed(self, records: Sequence[Record], column: str, rng: np.random.Generator) -> list[Record]:
        """See `Perturbation.perturbed`."""
        return by_augmenter(self.by, records, column, rng)
