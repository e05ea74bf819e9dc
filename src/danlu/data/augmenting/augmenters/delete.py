"""Words are left out (Wei and Zou, 2019, "EDA")."""

from collections.abc import Sequence

import numpy as np

from danlu.data.augmenting.passage import Changes, Passage
from danlu.data.augmenting.word_augmenter import WordAugmenter


class Delete(WordAugmenter):
    """Leave out words; at least one stays."""

    def changes(self, passages: Sequence[Passage], rng: np.random.Generator) -> list[Changes]:
        """Free words to leave out; see `WordAugmenter.changes`."""
        found = []
        for passage in passages:
            count = min(self.count(passage), len(passage.borders) - 1)
            chosen = rng.permutation(passage.free)[: max(count, 0)]
            found.append({place: list[str]() for place in chosen.tolist()})
        return found
