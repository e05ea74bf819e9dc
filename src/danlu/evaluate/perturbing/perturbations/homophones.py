"""Chinese characters that sound the same, as typing by pinyin takes them for each other."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from danlu.data.augmenting.augmenters.homophone import Homophone
from danlu.data.characters.word_cutting import Cut
from danlu.data.record import Record
from danlu.evaluate.perturbing.by_parts import by_augmenter
from danlu.evaluate.perturbing.perturbation import Perturbation


class Homophones(Perturbation):
    """In some Chinese words one character becomes a common one of the same sound. Needs the extra `augment`."""

    share: float = Field(default=0.1, gt=0, le=1, description="share of the words that are changed; at least one is")
    tones: bool = Field(default=True, description="whether the tone must be the same as well")
    words: Cut = Field(default="jieba", description="how Chinese is cut into words: by jieba, or each character is one")

    def perturbed(self, records: Sequence[Record], column: str, rng: np.random.Generator) -> list[Record]:
        """See `Perturbation.perturbed`; entities and other marks keep their text."""
        return by_augmenter(Homophone(share=self.share, tones=self.tones, words=self.words), records, column, rng)
