"""How likely a word is after another: bigrams with modified Kneser-Ney smoothing.

Kneser and Ney, "Improved backing-off for m-gram language modeling" (1995), interpolated with three discounts (Chen and
Goodman, 1998). Words that occur once tell what unknown ones do. V words, K pairs that were seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.side_by_side import Numbers
from danlu.text.segmenting.stored_arrays import ascending, fitting

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

BORDER, UNKNOWN = 0, 1
"""The ends of a text, and any word that was not seen; the words themselves are numbered from 2."""

_SHAPES = {"pairs": "i K", "seen": "f K", "left": "f V", "unknown": "f V", "single": "f V"}
_UNKNOWN_WEIGHT = 5.0  # tokens of the common share of unknown words that are mixed into each word's own
_SMALLEST = 1e-12


@dataclass(frozen=True)
class WordModel:
    """Log-probabilities of words after words.

    - `pairs`, `seen`: (K,) codes of pairs, ascending, and the probability of the second word after the first.
    - `left`, `unknown`: (V,) after a word, what is left for words that never came there, and for unknown words.
    - `single`: (V,) of a word by the number of different words before it.
    """

    pairs: Numbers
    seen: Floats
    left: Floats
    unknown: Floats
    single: Floats

    def scores(self, before_M: Numbers, word_M: Numbers) -> Floats:
        """Log-probability of each word after the one before it, (M,)."""
        wanted = before_M * len(self.single) + word_M
        place = np.minimum(np.searchsorted(self.pairs, wanted), len(self.pairs) - 1)
        found_M = np.where(self.pairs[place] == wanted, self.seen[place], self.left[before_M] + self.single[word_M])
        return np.where(word_M == UNKNOWN, self.unknown[before_M], found_M)

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The model as arrays by name."""
        return {f"word_{field.name}": getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "WordModel":
        """The inverse of `to_arrays`; other names are left alone. Raises `ValueError` for what is no such model."""
        given = fitting(arrays, {f"word_{name}": shape for name, shape in _SHAPES.items()})
        ascending("word_pairs", given["word_pairs"])
        if not len(given["word_pairs"]):
            raise ValueError("the array 'word_pairs' is empty")
        return cls(**{name: given[f"word_{name}"] for name in _SHAPES})


def learn_words(sentences: Sequence[Sequence[int]], size: int) -> WordModel:
    """Count pairs in sentences of numbered words; `size` is one more than the highest number."""
    now = np.concatenate([np.array([*sentence, BORDER]) for sentence in sentences])
    before = np.roll(now, 1)  # a border stands before every sentence
    times = np.bincount(now, minlength=size)
    rare = times == 1
    rare[:2] = False
    after_rare = rare[before]  # what follows a rare word follows an unknown one as well
    words = np.concatenate([now, now[after_rare]])
    firsts = np.concatenate([before, np.full(int(after_rare.sum()), UNKNOWN)])
    pairs, counts = np.unique(firsts * size + words, return_counts=True)
    first, second = pairs // size, pairs % size
    discount = _discounts(counts)[np.minimum(counts, 3)]
    total = np.bincount(first, counts, size)
    left = np.where(total > 0, np.bincount(first, discount, size) / np.maximum(total, 1), 1.0)
    single = np.bincount(second, minlength=size) / len(pairs)
    seen = (counts - discount) / total[first] + left[first] * single[second]
    share = rare[words].sum() / len(words)
    unknown = (np.bincount(firsts, rare[words], size) + _UNKNOWN_WEIGHT * share) / (total + _UNKNOWN_WEIGHT)
    known = np.log1p(-np.minimum(unknown, 0.99))
    return WordModel(
        pairs=pairs,
        seen=(np.log(seen) + known[first]).astype(np.float32),
        left=(_log(left) + known).astype(np.float32),
        unknown=_log(unknown).astype(np.float32),
        single=_log(single).astype(np.float32),
    )


def _discounts(counts: Numbers) -> Reals:
    """What is taken off a pair that was seen 1, 2, or 3 times and more; at 0 to 3 (Chen and Goodman, 1998)."""
    once, twice, thrice, four = (max(int((counts == times).sum()), 1) for times in (1, 2, 3, 4))
    share = once / (once + 2 * twice)
    found = np.array([0, 1 - 2 * share * twice / once, 2 - 3 * share * thrice / twice, 3 - 4 * share * four / thrice])
    limited: Reals = np.clip(found, [0, 0.1, 0.1, 0.1], [0, 0.9, 1.9, 2.9])  # little text gives senseless counts
    return limited


def _log(values: Reals) -> Reals:
    found: Reals = np.log(np.maximum(values, _SMALLEST))
    return found
