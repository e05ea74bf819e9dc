"""Characters and their places in words: the hidden Markov model behind the segmenters that learn.

States are the place of a character in its word: begin, middle, end, or single (Xue, "Chinese word segmentation as
character tagging", 2003). A character and its state depend on the state before it and on up to two characters before
it, as in the generative model of Wang, Zong and Su (2010); estimates are interpolated with those of a shorter context
(Witten and Bell, 1991). N characters, R different ones, K contexts that were seen, 8 steps from state to state.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.scripts import PUNCTUATION, kind_table, kinds_of, plain_forms
from danlu.data.characters.side_by_side import Bools, Codes, Numbers, characters
from danlu.text.segmenting.stored_arrays import ascending, fitting, within
from danlu.text.segmenting.word_borders import begins_of

Floats = NDArray[np.float32]
Reals = NDArray[np.float64]

BEGIN, MIDDLE, END, SINGLE = range(4)
FROM = np.array([END, END, SINGLE, SINGLE, BEGIN, BEGIN, MIDDLE, MIDDLE])
TO = np.array([BEGIN, SINGLE, BEGIN, SINGLE, MIDDLE, END, MIDDLE, END])
"""The 8 steps: after an end or a single there is a begin or a single, and so on."""

_UNSEEN = 16  # numbers 1 to 15 are characters that were not seen, by their class; 0 is the border of a text
_UNSEEN_COUNT = 0.1  # added for every class and step, so that none is impossible
_ALONE = 50  # punctuation that stood by itself so often, and never in a word, always does
_WEIGHTS = (1.0, 1.0, 2.0)  # of a context's different followers, by its length; measured on held-out text


_SHAPES = {
    "alphabet": "i A", "alone": "i B", "one": "f R 8", "pairs": "i K", "two": "f K 8", "one_left": "f R 4",
    "triples": "i L", "three": "f L 8", "two_left": "f K 4",
}  # fmt: skip


@dataclass(frozen=True)
class CharacterModel:
    """Log-probabilities of (state, character) after a state and the characters before, for every step.

    - `alphabet`: (R - 16,) the code points that are told apart, ascending; digits and Latin letters are one each.
    - `alone`: code points of punctuation that is always a word by itself.
    - `one`: (R, 8) of a character, whatever stands before it.
    - `pairs`, `two`, `one_left`: (K,), (K, 8), (R, 4) of a pair of characters; and log of what is left for
      characters that never came after this one, by its state.
    - `triples`, `three`, `two_left`: (K,), (K, 8), (K of pairs, 4), of three characters alike.

    Without the pairs or the triples the context is shorter.
    """

    alphabet: Codes
    alone: Codes
    one: Floats
    pairs: Numbers
    two: Floats
    one_left: Floats
    triples: Numbers
    three: Floats
    two_left: Floats

    @cached_property
    def _numbers(self) -> NDArray[np.int64]:
        table = kind_table().astype(np.int64) + 1
        table[self.alphabet] = np.arange(len(self.alphabet)) + _UNSEEN
        return table

    @cached_property
    def alone_table(self) -> Bools:
        """Whether a character is always a word by itself, by its code point."""
        table = np.zeros(len(kind_table()), np.bool_)
        table[self.alone] = True
        return table[plain_forms()]

    def scores(self, codes: Codes, fresh_N: Bools) -> Floats:
        """Log-probability of each character in each step, (N, 8); nothing stands before what is `fresh_N`."""
        now, before, earlier = _contexts(self._numbers[plain_forms()[codes]], fresh_N)
        found_N8 = self.one[now]
        if not len(self.pairs):
            return found_N8
        size = len(self.one)
        place, seen = _find(self.pairs, before * size + now)
        found_N8 += self.one_left[before][:, FROM]
        found_N8[seen] = self.two[place[seen]]
        if not len(self.triples):
            return found_N8
        place, seen = _find(self.pairs, earlier * size + before)
        left_N4 = np.where(seen[:, None], self.two_left[place], np.float32(0))
        found_N8 += left_N4[:, FROM]
        place, seen = _find(self.triples, (earlier * size + before) * size + now)
        found_N8[seen] = self.three[place[seen]]
        return found_N8

    def to_arrays(self) -> dict[str, NDArray[np.generic]]:
        """The model as arrays by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[np.generic]]) -> "CharacterModel":
        """The inverse of `to_arrays`; other names are left alone. Raises `ValueError` for what is no such model."""
        given = fitting(arrays, _SHAPES, {"R": len(arrays.get("alphabet", ())) + _UNSEEN})
        for name in ("alphabet", "alone"):
            within(name, given[name], 0, len(kind_table()))
        for name in ("alphabet", "pairs", "triples"):
            ascending(name, given[name])
        return cls(**given)


def learn_characters(sentences: Sequence[Sequence[str]], context: int = 2) -> CharacterModel:
    """Count characters and states in sentences of words; a character depends on `context` characters before it."""
    given = characters(["".join(sentence) for sentence in sentences])
    codes, fresh, begins = plain_forms()[given.codes], given.begins(), begins_of(sentences)
    different, counts = np.unique(codes, return_counts=True)
    alphabet = different[counts > 1]  # those seen once tell what unseen ones do
    numbers = kind_table().astype(np.int64) + 1
    numbers[alphabet] = np.arange(len(alphabet)) + _UNSEEN
    now, before, earlier = _contexts(numbers[codes], fresh)
    states = places_of(begins)
    step = _steps(np.where(fresh, SINGLE, np.roll(states, 1)), states)
    size = len(alphabet) + _UNSEEN
    one = _single(now, step, size)
    two = three = _Level.empty()
    if context >= 1:
        two = _level(before * size + now, size, step, one[now_of(before * size + now, size)], _WEIGHTS[1])
    if context >= 2:
        keys = (earlier * size + before) * size + now
        lower = two.rows[np.searchsorted(two.keys, np.unique(keys) % size**2)]
        three = _level(keys, size, step, lower, _WEIGHTS[2])
    return CharacterModel(
        alphabet=alphabet,
        alone=_always_alone(codes, states),
        one=_log(one),
        pairs=two.keys,
        two=_log(two.rows),
        one_left=_log(two.left_at(np.arange(size))),
        triples=three.keys,
        three=_log(three.rows),
        two_left=_log(three.left_at(two.keys)),
    )


def places_of(begins_N: Bools) -> NDArray[np.int64]:
    """The state of each character, (N,)."""
    ends = np.r_[begins_N[1:], np.ones(min(len(begins_N), 1), np.bool_)]
    return np.where(begins_N, np.where(ends, SINGLE, BEGIN), np.where(ends, END, MIDDLE))


def now_of(keys: Numbers, size: int) -> Numbers:
    """The last character of each different context, ascending."""
    return np.unique(keys) % size


@dataclass(frozen=True)
class _Level:
    """Probabilities after one length of context: rows (K, 8) by key; what is left (C, 4) by context."""

    keys: Numbers
    rows: Reals
    contexts: Numbers
    left: Reals

    @classmethod
    def empty(cls) -> "_Level":
        """Without a context."""
        return cls(np.zeros(0, np.int64), np.zeros((0, 8)), np.zeros(0, np.int64), np.zeros((0, 4)))

    def left_at(self, contexts: Numbers) -> Reals:
        """What is left after each context, 1 where it was not seen."""
        found = np.ones((len(contexts), 4))
        if len(self.contexts):
            place, seen = _find(self.contexts, contexts)
            found[seen] = self.left[place[seen]]
        return found


def _single(now: Numbers, step: Numbers, size: int) -> Reals:
    """Probability of a character and the state after a step's first state, (R, 8)."""
    counts = np.bincount(now * 8 + step, minlength=size * 8).reshape(size, 8).astype(np.float64)
    counts[1:_UNSEEN] += _UNSEEN_COUNT
    total = np.bincount(FROM, counts.sum(0), 4)
    kinds = np.bincount(FROM, (counts > 0).sum(0), 4)
    known = (total / (total + _WEIGHTS[0] * kinds))[FROM]
    moves = counts.sum(0) / total[FROM]
    found: Reals = known * counts / total[FROM] + (1 - known) * moves / size
    return found


def _level(keys: Numbers, size: int, step: Numbers, lower: Reals, weight: float) -> _Level:
    """Counts after contexts, `key // size`, interpolated with the rows of the different keys in a shorter one."""
    different, place = np.unique(keys, return_inverse=True)
    counts = np.bincount(place * 8 + step, minlength=len(different) * 8).reshape(-1, 8).astype(np.float64)
    contexts, owner = np.unique(different // size, return_inverse=True)
    total, kinds = np.zeros((len(contexts), 4)), np.zeros((len(contexts), 4))
    for number, state in enumerate(FROM):
        total[:, state] += np.bincount(owner, counts[:, number], len(contexts))
        kinds[:, state] += np.bincount(owner, counts[:, number] > 0, len(contexts))
    mass = np.maximum(total + weight * kinds, 1e-9)
    left = np.where(total > 0, weight * kinds / mass, 1.0)
    rows = counts / mass[owner][:, FROM] + left[owner][:, FROM] * lower
    return _Level(different, rows, contexts, left)


def _contexts(numbers_N: Numbers, fresh_N: Bools) -> tuple[Numbers, Numbers, Numbers]:
    """Each character, the one before it and the one before that, 0 where there is none."""
    before = np.where(fresh_N, 0, np.roll(numbers_N, 1))
    return numbers_N, before, np.where(fresh_N, 0, np.roll(before, 1))


def _steps(before_N: Numbers, states_N: Numbers) -> Numbers:
    number = np.full((4, 4), -1)
    number[FROM, TO] = np.arange(8)
    found: Numbers = number[before_N, states_N]
    assert (found >= 0).all()
    return found


def _always_alone(codes: Codes, states: Numbers) -> Codes:
    marks = kinds_of(codes) == PUNCTUATION
    different, place = np.unique(codes[marks], return_inverse=True)
    single = np.bincount(place, states[marks] == SINGLE, len(different))
    always: Codes = different[(single >= _ALONE) & (single == np.bincount(place, minlength=len(different)))]
    return always


def _find(keys: Numbers, wanted: Numbers) -> tuple[Numbers, Bools]:
    """Where each of the wanted keys stands among ascending ones, and whether it does."""
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return place, keys[place] == wanted


def _log(values: Reals) -> Floats:
    return np.log(np.maximum(values, 1e-30)).astype(np.float32)
