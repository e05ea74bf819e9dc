"""Slips of the finger on an English keyboard (Belinkov and Bisk, 2018, noise "key")."""

from collections.abc import Sequence

import numpy as np

from danlu.data.augmenting.passage import Changes, Passage
from danlu.data.augmenting.word_augmenter import WordAugmenter

_ROWS = ("1234567890", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_INDENTED = (0.0, 0.5, 0.75, 1.25)  # widths of a key by which a row is shifted to the right


def _neighbours() -> dict[str, str]:
    """The keys of letters that touch each key of a letter or digit."""
    places = {key: (x + _INDENTED[y], y) for y, row in enumerate(_ROWS) for x, key in enumerate(row)}
    return {
        key: "".join(
            other
            for other, (x, y) in places.items()
            if other != key and other.isalpha() and abs(x - places[key][0]) <= 1 and abs(y - places[key][1]) <= 1
        )
        for key in places
    }


NEIGHBOURS = _neighbours()


class Keyboard(WordAugmenter):
    """Hit the key beside the right one, once in a word of English letters."""

    def changes(self, passages: Sequence[Passage], rng: np.random.Generator) -> list[Changes]:
        """Free words, each with one letter mistyped; see `WordAugmenter.changes`."""
        return self.replaced(passages, rng, _mistyped)


def _mistyped(word: str, rng: np.random.Generator) -> str | None:
    letters = [place for place, letter in enumerate(word) if letter.isascii() and letter.isalpha()]
    if not letters:
        return None
    place = letters[int(rng.integers(len(letters)))]
    beside = NEIGHBOURS[word[place].lower()]
    hit = beside[int(rng.integers(len(beside)))]
    return word[:place] + (hit.upper() if word[place].isupper() else hit) + word[place + 1 :]
