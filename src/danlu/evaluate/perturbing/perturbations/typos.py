"""Slips in typing (Belinkov and Bisk, 2018; Pruthi, Dhingra and Lipton, 2019)."""

from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np
from pydantic import Field

from danlu.data.augmenting.augmenters.keyboard import NEIGHBOURS
from danlu.data.augmenting.passage import Changes, Passage
from danlu.data.augmenting.word_augmenter import WordAugmenter
from danlu.data.characters.word_cutting import Cut
from danlu.data.record import Record
from danlu.evaluate.perturbing.by_parts import by_augmenter
from danlu.evaluate.perturbing.perturbation import Perturbation

Slip = Literal["neighbour", "swap", "drop"]


class Typos(Perturbation):
    """Some words get one slip each: the key beside the right one, two characters swapped, or one left out.

    Keys are those of English letters; Chinese words of two characters or more are swapped and dropped in.
    """

    share: float = Field(default=0.1, gt=0, le=1, description="share of the words that get one; at least one does")
    slips: tuple[Slip, ...] = Field(default=("neighbour", "swap", "drop"), min_length=1, description="which ones")
    words: Cut = Field(default="jieba", description="how Chinese is cut into words: by jieba, or each character is one")

    def perturbed(self, records: Sequence[Record], column: str, rng: np.random.Generator) -> list[Record]:
        """See `Perturbation.perturbed`; entities and other marks keep their text."""
        return by_augmenter(_Slips(share=self.share, slips=self.slips, words=self.words), records, column, rng)


class _Slips(WordAugmenter):
    """The same as an augmenter."""

    slips: tuple[Slip, ...]

    def changes(self, passages: Sequence[Passage], rng: np.random.Generator) -> list[Changes]:
        return self.replaced(passages, rng, self._slipped)

    def _slipped(self, word: str, rng: np.random.Generator) -> str | None:
        for slip in rng.permutation(list(self.slips)).tolist():
            found = _SLIPS[slip](word, rng)
            if found is not None:
                return found
        return None


def _neighbour(word: str, rng: np.random.Generator) -> str | None:
    letters = [place for place, letter in enumerate(word) if letter.lower() in NEIGHBOURS and letter.isalpha()]
    if not letters:
        return None
    place = _one_of(letters, rng)
    beside = NEIGHBOURS[word[place].lower()]
    hit = beside[int(rng.integers(len(beside)))]
    return word[:place] + (hit.upper() if word[place].isupper() else hit) + word[place + 1 :]


def _swap(word: str, rng: np.random.Generator) -> str | None:
    places = [place for place in range(len(word) - 1) if word[place] != word[place + 1] and word[place:][:2].isalpha()]
    if not places:
        return None
    place = _one_of(places, rng)
    return word[:place] + word[place + 1] + word[place] + word[place + 2 :]


def _drop(word: str, rng: np.random.Generator) -> str | None:
    places = [place for place, letter in enumerate(word) if letter.isalpha()] if len(word) > 1 else []
    if not places:
        return None
    place = _one_of(places, rng)
    return word[:place] + word[place + 1 :]


def _one_of(places: Sequence[int], rng: np.random.Generator) -> int:
    return places[int(rng.integers(len(places)))]


_SLIPS: dict[Slip, Callable[[str, np.random.Generator], str | None]] = {
    "neighbour": _neighbour,
    "swap": _swap,
    "drop": _drop,
}
