"""Words become synonyms from a given lexicon (Zhang, Zhao and LeCun, 2015; Wei and Zou, 2019)."""

from collections.abc import Sequence

import numpy as np
from pydantic import Field

from danlu.data.augmenting.passage import Changes, Passage
from danlu.data.augmenting.thesaurus import in_case_of, read_thesaurus
from danlu.data.augmenting.word_augmenter import WordAugmenter


class Synonym(WordAugmenter):
    """Replace words by synonyms from a lexicon file."""

    path: str = Field(description="tsv or csv, a word and then its synonyms, in further fields or separated by '|'")

    def changes(self, passages: Sequence[Passage], rng: np.random.Generator) -> list[Changes]:
        """Free words that the thesaurus knows, and a synonym of each; see `WordAugmenter.changes`."""
        thesaurus = read_thesaurus(self.path)

        def synonym(word: str, rng: np.random.Generator) -> str | None:
            known = thesaurus.get(word.casefold(), ())
            return in_case_of(word, known[int(rng.integers(len(known)))]) if known else None

        return self.replaced(passages, rng, synonym)
