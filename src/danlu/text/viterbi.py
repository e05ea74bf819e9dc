"""The best of all paths, for many texts side by side (Viterbi, 1967).

A path goes through states, one at each place, or through words of any length. Either way the best path to a node is the
best of the ways into it, each of which goes on with the best path to a node before. S states, P paths, K ways into a
state, E words, M ways into words.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

FEW = 16
"""Paths up to which one pass over all ways is quicker than one a rank: with 16 states 5 microseconds against 74 for one
path, 11 against 79 for 16 of them (one core, 2026-11)."""

Scores = NDArray[np.floating]
Numbers = NDArray[np.signedinteger]
Ranks = NDArray[np.unsignedinteger]
Taken = list[tuple[Numbers, Ranks]]
"""Of each step the states that ways come from, (K, S), and which of the ways into a state is the best, (S, P)."""


def best_ways(ways: Sequence[Scores] | Scores) -> tuple[Scores, Ranks]:
    """What the best way into each node scores, and its rank; the lowest of equals. Overwrites the scores of rank 0.

    - `ways`: by rank, what the ways into the nodes score; only the first nodes have ways of the later ranks.
    """
    kind = np.uint8 if len(ways) <= 256 else np.uint16
    if isinstance(ways, np.ndarray) and ways.shape[-1] <= FEW:
        return ways.max(0), ways.argmax(0).astype(kind)
    best = ways[0]
    ranks: Ranks = np.zeros(best.shape, kind)
    for number in range(1, len(ways)):
        scores = ways[number]
        leading, marked = best[: len(scores)], ranks[: len(scores)]
        better = scores > leading
        if number == 1:
            marked[...] = better
        else:  # several times as fast as writing through a mask
            np.maximum(marked, better.view(np.uint8) * kind(number), out=marked)
        np.maximum(leading, scores, out=leading)
    return best, ranks


def best_states(
    start_SP: Scores,
    going: Sequence[int],
    origins: Numbers | Callable[[Scores], Numbers],
    pairs: Callable[[int], Scores] | None = None,
    gains: Sequence[Scores] | Scores | None = None,
) -> tuple[Scores, Taken]:
    """What the best path that ends in each state scores, (S, P), and the ways that the paths have taken.

    - `start_SP`: scores before the first step. The longest paths come first, and `going` tells how many go on.
    - `origins`: the states that ways come from, (K, S) or (K, 1), those that win a tie first; or what tells them from
      the scores before a step.
    - `pairs`: what the ways of a step score, (K, S, P); `gains`: what a state of a step scores by itself, (S, P).
    """
    final_SP, score_SP = start_SP.copy(), start_SP
    taken = []
    for step, count in enumerate(going):
        if count < score_SP.shape[1]:
            final_SP[:, : score_SP.shape[1]] = score_SP
            score_SP = score_SP[:, :count]
        origins_KS = origins(score_SP) if callable(origins) else origins
        ways_KSP = score_SP.take(origins_KS, 0)
        if pairs is not None:
            ways_KSP = ways_KSP + pairs(step)
        score_SP, ranks_SP = best_ways(ways_KSP)
        if gains is not None:
            score_SP = score_SP + gains[step][:, :count]
        taken.append((origins_KS, ranks_SP))
    final_SP[:, : score_SP.shape[1]] = score_SP
    return final_SP, taken


def backwards(last_P: Numbers, taken: Taken) -> Iterator[Numbers]:
    """The states of paths from their last to their first, at each step those of the paths that go so far.

    What stands before the first step comes last.
    """
    states_P, places_P = last_P.copy(), np.arange(len(last_P))
    for origins_KS, ranks_SP in reversed(taken):
        count, wide = ranks_SP.shape[1], origins_KS.shape[1]
        here = states_P[:count]
        yield here
        ranks_P = ranks_SP.take(here * count + places_P[:count]).astype(np.int64)
        here[:] = origins_KS.take(ranks_P * wide + here if wide > 1 else ranks_P)
    yield states_P


def best_words(
    score_E: Scores, steps: Sequence[int], ranks: Sequence[int], after_M: Numbers, before_M: Numbers, pair_M: Scores
) -> Numbers:
    """The word before each word in the best path to it, (E,), -1 for none; `score_E` becomes what that path scores.

    - `score_E`: of a word by itself; `steps`: where the words of each step begin, and E. None of a step leads to
      another of it, and those into which most ways lead come first.
    - `after_M`, `before_M`, `pair_M`: ways into a word, from a word, and what they score; by rank, then by `after_M`.
    - `ranks`: where the ways of each rank begin, and M.
    """
    parts = [slice(first, last) for first, last in pairwise(ranks)]
    bounds = [pairwise((part.start + np.searchsorted(after_M[part], steps)).tolist()) for part in parts]
    ranks_E = np.zeros(len(score_E), np.uint16)
    for low, *of_ranks in zip(steps, *bounds, strict=False):
        ways = [score_E[before_M[first:last]] + pair_M[first:last] for first, last in of_ranks if first < last]
        if ways:
            best, chosen = best_ways(ways)
            score_E[low : low + len(best)] += best
            ranks_E[low : low + len(best)] = chosen
    found_E = np.full(len(score_E), -1)
    for rank, part in enumerate(parts):
        taken = ranks_E[after_M[part]] == rank
        found_E[after_M[part][taken]] = before_M[part][taken]
    return found_E
