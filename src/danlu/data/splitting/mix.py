"""Several sources mixed by weight, or by their sizes at a temperature: a pure function of seed and sizes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from danlu.machine.seed import generator
from danlu.recipe.part import Part
from danlu.refusal import Refusal

LIMIT = 1000
"""Times that a row may be repeated."""


class Mix(Part):
    """How much of the training rows comes from each source; sources that are small are repeated.

    The temperature is that of Conneau et al. ("Unsupervised Cross-lingual Representation Learning at Scale", 2020):
    shares are sizes to the power of 1 / temperature, so that 1 is by size and a high one evens them out.
    """

    weights: list[float] | None = Field(default=None, min_length=1, description="one of each source, in their order")
    temperature: float = Field(default=1.0, gt=0, le=1000, description="without weights: 1 is by size, 1000 is evenly")
    rows: int | None = Field(default=None, ge=1, description="training rows in all; None: as many as there are")

    @model_validator(mode="after")
    def _positive(self) -> "Mix":
        if self.weights is not None and min(self.weights) <= 0:
            raise PydanticCustomError("weights", "every weight must be above 0; leave the source out instead")
        if self.weights is not None and self.temperature != 1:
            raise PydanticCustomError("weights", "give weights or a temperature, not both")
        return self

    def copies(self, sources: NDArray[np.integer], count: int, seed: int) -> NDArray[np.uint16]:
        """How often each row is taken, (N,); `sources` are the rows' sources, (N,), of which there are `count`.

        Raises:
            Refusal: the weights are not one of each source, or a source has no rows or would be repeated endlessly.
        """
        if self.weights is not None and len(self.weights) != count:
            raise Refusal(
                f"'mix.weights' has {len(self.weights)} weights for {count} sources of data; give one of each"
            )
        sizes = np.bincount(sources, minlength=count)
        if (sizes == 0).any():
            raise Refusal(
                f"source {int(np.argmin(sizes)) + 1} of 'data' has no row left for training to be mixed; leave it out"
            )
        found = np.zeros(len(sources), np.uint16)
        for source, wanted in enumerate(self.sizes(sizes)):
            rows = np.flatnonzero(sources == source)
            whole, rest = divmod(wanted, len(rows))
            if whole >= LIMIT:
                raise Refusal(
                    f"source {source + 1} of 'data' has {len(rows)} rows, which 'mix' would repeat more than {LIMIT} "
                    "times; lower its weight or 'mix.rows'"
                )
            found[rows] = whole
            found[generator(seed, "mix", source).permutation(rows)[:rest]] += 1
        return found

    def sizes(self, sizes: Sequence[int] | NDArray[np.integer]) -> list[int]:
        """Rows wanted of each source, rounded so that they add up."""
        counts = np.asarray(sizes, np.float64)
        shares = counts ** (1 / self.temperature) if self.weights is None else np.array(self.weights)
        total = self.rows or int(counts.sum())
        exact = shares / shares.sum() * total
        whole = np.floor(exact + 1e-9).astype(np.int64)
        whole[np.argsort(-(exact - whole), kind="stable")[: total - int(whole.sum())]] += 1
        found: list[int] = whole.tolist()
        return found
