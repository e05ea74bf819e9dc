"""Two words change places (Wei and Zou, 2019, "EDA")."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from danlu.data.augmenting.passage import Changes, Passage
from danlu.data.augmenting.word_augmenter import WordAugmenter


class Swap(WordAugmenter):
    """Let pairs of words change places."""

    within: int | None = Field(default=None, ge=1, description="words between two that are swapped, at most; None: any")

    def changes(self, passages: Sequence[Passage], rng: np.random.Generator) -> list[Changes]:
        """Pairs of free words, each word in one pair at most; see `WordAugmenter.changes`."""
        return [self._of(passage, rng) for passage in passages]

    def _of(self, passage: Passage, rng: np.random.Generator) -> Changes:
        words, changes = passage.words, Changes()
        left: list[int] = rng.permutation(passage.free).tolist()
        while left and len(changes) < max(2, self.count(passage)):
            one = left.pop()
            others = [place for place in left if words[place] != words[one] and self._near(place, one)]
            if others:
                other = others[-1]
                left.remove(other)
                changes |= {one: [words[other]], other: [words[one]]}
        return changes

    def _near(self, one: int, other: int) -> bool:
        return self.within is None or abs(one - other) <= self.within
