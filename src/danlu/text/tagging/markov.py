"""The hidden Markov model of counted taggers: states, counts, and the best path (Viterbi 1967).

Shapes: B sentences, T units, S states, V units that are known, C classes of unknown units.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from danlu.text.tagging.units import Mark, shape
from danlu.text.viterbi import backwards, best_states

Floats = NDArray[np.float64]
Numbers = NDArray[np.int64]
Kind = Literal["bio", "bmes", "context"]
HiddenState = tuple[str | None, bool | None, bool | None]
"""Label; joined to the unit on the left, on the right (outside: an entity stands there); None: not told apart."""

BOUNDARY: HiddenState = (None, None, None)  # before the first unit and after the last one
BLOCK = 256  # sentences whose paths are sought side by side
UNSEEN = -1e9  # log probability of what cannot be


@dataclass(frozen=True, eq=False)
class Counts:
    """What stood after what, in sentences of units and their marks.

    - `units`: those that are known, in the order of their numbers, which begin with 2: 0 is the start of a sentence,
      1 an unknown unit.
    - `pairs`, `times`: sorted codes of (unit before, unit, state) and how often each was seen.
    - `moves` (S + 1, S): how often a state came after a state, the last row after the start; `last` (S,): at the end.
    """

    states: tuple[HiddenState, ...]
    units: tuple[str, ...]
    pairs: Numbers
    times: Numbers
    moves: Numbers
    last: Numbers

    @property
    def labels(self) -> list[str]:
        """The labels of its states, sorted."""
        return sorted({label for label, _, _ in self.states if label is not None})

    def at_most(self, pairs: int) -> "Counts":
        """The same with no more pairs than that: of the rarest it is no longer known what stood before."""
        if len(self.pairs) <= pairs:
            return self
        wide, tall = len(self.states), len(self.units) + 2
        rare = np.ones(len(self.pairs), bool)
        rare[np.argsort(-self.times, kind="stable")[: max(0, pairs - tall * wide)]] = False
        codes = np.where(rare, self.pairs % (tall * wide) + tall * wide, self.pairs)
        kept, place = np.unique(codes, return_inverse=True)
        times = np.bincount(place, weights=self.times).astype(np.int64)
        return Counts(self.states, self.units, kept, times, self.moves, self.last)


@dataclass(frozen=True, eq=False)
class Markov:
    """Counts turned into probabilities.

    - `first` (S,), `moves` (S, S), `last` (S,): log probability of beginning with, going on to, ending with a state.
    - `single` (V, S), `unknown` (C, S): probability of a unit in a state.
    - `pairs`, `times`: sorted codes of (unit before, unit, state) and how often each was seen.
    - `before`, `kinds` (V, S): how many units, and how many different ones, came after a unit in a state.
    """

    states: tuple[HiddenState, ...]
    number: dict[str, int]
    classes: dict[str, int]
    first: Floats
    moves: Floats
    last: Floats
    single: Floats
    unknown: Floats
    pairs: Numbers
    times: Numbers
    before: Floats
    kinds: Floats


def fit(sentences: Sequence[Sequence[str]], truths: Sequence[Sequence[Mark]], kind: Kind) -> Markov:
    """The model of what `counted` counts."""
    return model_of(counted(sentences, truths, kind))


def counted(sentences: Sequence[Sequence[str]], truths: Sequence[Sequence[Mark]], kind: Kind) -> Counts:
    """Count what follows what, in sentences of units and their marks."""
    states = all_states(kind, sorted({label for truth in truths for label, _ in truth if label is not None}))
    state_number = {state: place for place, state in enumerate(states)}
    number: dict[str, int] = {}
    for sentence in sentences:
        for unit in sentence:
            number.setdefault(unit, len(number) + 2)
    now, before, state, state_before, last = [], [], [], [], []
    for sentence, truth in zip(sentences, truths, strict=True):
        if sentence:
            here = [number[unit] for unit in sentence]
            there = [state_number[each] for each in states_of(kind, truth)]
            now += here
            before += [0, *here[:-1]]
            state += there
            state_before += [len(states), *there[:-1]]
            last.append(there[-1])
    wide, tall = len(states), len(number) + 2
    codes = (np.array(before, np.int64) * tall + np.array(now, np.int64)) * wide + np.array(state, np.int64)
    pairs, times = np.unique(codes, return_counts=True)
    moved = np.array(state_before, np.int64) * wide + np.array(state, np.int64)
    moves = np.bincount(moved, minlength=(wide + 1) * wide).reshape(wide + 1, wide)
    return Counts(states, tuple(number), pairs, times, moves, np.bincount(np.array(last, np.int64), minlength=wide))


def paths(
    model: Markov,
    sentences: Sequence[Sequence[str]],
    pair_smoothing: float | None,
    beside: Sequence[Floats] | None = None,
    weight: float = 1.0,
) -> Iterator[list[int]]:
    """The most probable states (T,) of each sentence; the longest sentence must come first.

    With `pair_smoothing` a unit depends on the one before it as well, and that is the weight of the unit alone.
    `beside` are what something else says of the states of each sentence, (T, S), in logarithms, to which the model's
    are added `weight` times.
    """
    emission_BTS = weight * _emissions(model, sentences, pair_smoothing)
    for row, said_TS in enumerate(beside or ()):
        emission_BTS[row, : len(said_TS)] += said_TS
    lengths_B = np.array([len(sentence) for sentence in sentences])
    gains_TSB = np.ascontiguousarray(emission_BTS.transpose(1, 2, 0))
    going = np.searchsorted(-lengths_B, -np.arange(1, lengths_B[0]), "left").tolist()  # longer ones than a place
    every = np.arange(len(model.states))[:, None]
    first, moves, last = (weight * each[..., None] for each in (model.first, model.moves, model.last))
    final_SB, taken = best_states(first + gains_TSB[0], going, every, lambda _: moves, gains_TSB[1:])
    path_BT = np.zeros(emission_BTS.shape[:2], np.int16)
    best_B = (final_SB + last).argmax(0)
    for place, state_B in zip(range(len(going), -1, -1), backwards(best_B, taken), strict=True):
        path_BT[: len(state_B), place] = state_B
    for path_T, length in zip(path_BT, lengths_B.tolist(), strict=True):
        yield path_T[:length].tolist()


def in_blocks(
    model: Markov,
    sentences: Sequence[Sequence[str]],
    pair_smoothing: float | None,
    beside: Sequence[Floats] | None = None,
    weight: float = 1.0,
) -> Iterator[tuple[list[int], Iterator[list[int]]]]:
    """The rows of some sentences of like lengths, and the `paths` of these, until all that are not empty were there."""
    longest_first = sorted((row for row, each in enumerate(sentences) if each), key=lambda row: -len(sentences[row]))
    for start in range(0, len(longest_first), BLOCK):
        rows = longest_first[start : start + BLOCK]
        said = None if beside is None else [beside[row] for row in rows]
        yield rows, paths(model, [sentences[row] for row in rows], pair_smoothing, said, weight)


def states_of(kind: Kind, truth: Sequence[Mark]) -> list[HiddenState]:
    """The state of each unit of a sentence whose marks are known."""
    found: list[HiddenState] = []
    for place, (label, joined) in enumerate(truth):
        beyond = truth[place + 1] if place + 1 < len(truth) else (None, False)
        if label is not None:
            found.append((label, joined, None if kind == "bio" else beyond[1]))
        elif kind == "context":
            found.append((None, place > 0 and truth[place - 1][0] is not None, beyond[0] is not None))
        else:
            found.append((None, None, None))
    return found


def all_states(kind: Kind, labels: Sequence[str]) -> tuple[HiddenState, ...]:
    """The states of a kind, in order."""
    both = (False, True)
    if kind == "bio":
        return ((None, None, None), *((label, left, None) for label in labels for left in both))
    inside = [(label, left, right) for label in labels for left in both for right in both]
    if kind == "bmes":
        return ((None, None, None), *inside)
    return (*((None, left, right) for left in both for right in both), *inside)


def model_of(counts: Counts) -> Markov:
    """The probabilities behind some counts (Witten and Bell 1991 for the smoothing)."""
    states, pairs, times = counts.states, counts.pairs, counts.times
    number = {unit: place for place, unit in enumerate(counts.units, 2)}
    wide, tall = len(states), len(number) + 2
    may = np.array([[_follows(one, two) for two in states] for one in (*states, BOUNDARY)])
    ends = np.array([_follows(each, BOUNDARY) for each in states])
    seen_VS = np.bincount(pairs % (tall * wide), weights=times, minlength=tall * wide).reshape(tall, wide)
    total_S, kinds_S = seen_VS.sum(0), (seen_VS > 0).sum(0)
    weight_S = total_S / np.maximum(total_S + kinds_S, 1)
    any_V = (seen_VS.sum(1) + 0.5) / (seen_VS.sum() + 0.5 * tall)
    unit_VS = weight_S * seen_VS / np.maximum(total_S, 1) + (1 - weight_S) * any_V[:, None]
    names = [*dict.fromkeys(map(shape, number)), "unseen"]
    classes = {name: place for place, name in enumerate(names)}
    rare_CS = np.full((len(names), wide), 0.1)  # of units seen once: the nearest there is to unseen ones
    once = {place: classes[shape(unit)] for unit, place in number.items() if seen_VS[place].sum() == 1}
    for place, kind in once.items():
        rare_CS[kind] += seen_VS[place]
    context = pairs // wide // tall * wide + pairs % wide
    return Markov(
        states=states,
        number=number,
        classes=classes,
        first=_log_shares(counts.moves[wide], may[wide]),
        moves=np.stack([_log_shares(row, allowed) for row, allowed in zip(counts.moves[:wide], may, strict=False)]),
        last=np.where(ends, np.log((counts.last + 0.1) / (total_S + 1)), UNSEEN),
        single=unit_VS,
        unknown=rare_CS / np.maximum(total_S + rare_CS.sum(0), 1),
        pairs=pairs,
        times=times,
        before=np.bincount(context, weights=times, minlength=tall * wide).reshape(tall, wide).astype(np.float64),
        kinds=np.bincount(context, minlength=tall * wide).reshape(tall, wide).astype(np.float64),
    )


def _emissions(model: Markov, sentences: Sequence[Sequence[str]], pair_smoothing: float | None) -> Floats:
    """Log probability (B, T, S) of each unit in each state; 0 is written where a sentence has ended."""
    longest, wide, tall = len(sentences[0]), len(model.states), len(model.single)
    now_BT = np.zeros((len(sentences), longest), dtype=np.int64)
    single_BTS = np.ones((len(sentences), longest, wide))
    for row, sentence in enumerate(sentences):
        now_BT[row, : len(sentence)] = [model.number.get(unit, 1) for unit in sentence]
        single_BTS[row, : len(sentence)] = model.single[now_BT[row, : len(sentence)]]
        for place, unit in enumerate(sentence):
            if unit not in model.number:
                single_BTS[row, place] = model.unknown[model.classes.get(shape(unit), len(model.classes) - 1)]
    if pair_smoothing is not None:
        before_BT = np.pad(now_BT[:, :-1], ((0, 0), (1, 0)))
        codes_BTS = ((before_BT * tall + now_BT) * wide)[..., None] + np.arange(wide)
        found = np.minimum(np.searchsorted(model.pairs, codes_BTS), len(model.pairs) - 1)
        hits_BTS = np.where(model.pairs[found] == codes_BTS, model.times[found], 0)
        seen_BTS, kinds_BTS = model.before[before_BT], pair_smoothing * model.kinds[before_BT]
        known = (hits_BTS + kinds_BTS * single_BTS) / np.maximum(seen_BTS + kinds_BTS, 1e-12)
        single_BTS = np.where(seen_BTS > 0, known, single_BTS)
    return np.log(np.maximum(single_BTS, 1e-12))


def _follows(one: HiddenState, two: HiddenState) -> bool:
    """Whether state `two` can come right after state `one`."""
    if one[0] is not None and two[0] is not None:
        return one[2] in (None, two[1]) and (not two[1] or one[0] == two[0])
    right = two[0] is not None if one[0] is None else False
    left = one[0] is not None if two[0] is None else False
    return one[2] in (None, right) and two[1] in (None, left)


def _log_shares(counts: NDArray[np.int64], allowed: NDArray[np.bool_]) -> Floats:
    """Log of the shares of the counts (S,), 0.1 added to each that is allowed; `UNSEEN` for the others."""
    smooth = np.where(allowed, counts + 0.1, 0.0)
    return np.where(allowed, np.log(np.maximum(smooth, 1e-12) / smooth.sum()), UNSEEN)
