"""Chinese characters become others of nearly the same shape, as in handwriting or recognition of print."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from danlu.data.augmenting.hanzi import exchanged, lookalikes
from danlu.data.augmenting.passage import Changes, Passage
from danlu.data.augmenting.thesaurus import read_thesaurus
from danlu.data.augmenting.word_augmenter import WordAugmenter


class Lookalike(WordAugmenter):
    """Exchange one character of a Chinese word for a common one that looks like it."""

    path: str | None = Field(default=None, description="tsv of a character and its look-alikes; None: danlu's own")

    def changes(self, passages: Sequence[Passage], rng: np.random.Generator) -> list[Changes]:
        """Free Chinese words, each with one character exchanged; see `WordAugmenter.changes`."""
        alike = lookalikes() if self.path is None else read_thesaurus(self.path)

        def exchange(word: str, rng: np.random.Generator) -> str | None:
            return exchanged(word, [alike.get(character, ()) for character in word], rng)

        return self.replaced(passages, rng, exchange)
