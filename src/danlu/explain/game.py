"""What each player of a game is worth: Shapley values, and Owen's where players come in groups of groups.

The players are words, and a coalition is the words that are not hidden. W players, N coalitions.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Worth = Callable[[Bools], Floats]
"""What coalitions (N, W) are worth, (N,)."""


def shapley(worth: Worth, players: int) -> Floats:
    """The mean of what a player adds over all orders in which players join (Shapley, 1953), (W,).

    All 2^W coalitions are looked at.
    """
    numbers_N = np.arange(2**players)
    there_NW = (numbers_N[:, None] >> np.arange(players)) & 1 == 1
    worth_N = worth(there_NW)
    size_N = there_NW.sum(1)
    weight = [factorial(size) * factorial(players - size - 1) / factorial(players) for size in range(players)]
    found = np.zeros(players)
    for player in range(players):
        without_N = numbers_N[~there_NW[:, player]]
        adds_N = worth_N[without_N | 1 << player] - worth_N[without_N]
        found[player] = float(np.array(weight)[size_N[without_N]] @ adds_N)
    return found


@dataclass(eq=False)
class _Group:
    """Neighbours, and the coalitions of others beside which they are looked at, each with the same weight.

    - `beside`: these coalitions, (N, W).
    - `before`, `after`: what each of them is worth without the group, and with all of it, (N,).
    """

    first: int
    end: int
    beside: Bools
    weight: float
    before: Floats
    after: Floats

    @property
    def effect(self) -> float:
        return self.weight * float((self.after - self.before).sum())

    @property
    def spread(self) -> float:
        """How much there may be to tell apart in it."""
        return float(np.abs(self.after - self.before).max()) if self.end - self.first > 1 else -1.0


def owen(worth: Worth, players: int, most: int) -> Floats:
    """The same over those orders alone in which groups join one after the other (Owen, 1977), (W,).

    Neighbours are a group, half of them another one, and so on. Coalitions are looked at until `most` of them were;
    groups that were not taken apart by then, those that matter least, share what they are worth. The sum is exact.
    """
    ends = worth(np.array([[False] * players, [True] * players]))
    nobody = np.zeros((1, players), np.bool_)
    groups = [_Group(0, players, nobody, 1.0, ends[:1], ends[1:])]
    left = most - 2
    while True:
        group = max(groups, key=lambda each: each.spread)
        if group.end - group.first < 2 or 2 * len(group.beside) > left:
            break
        groups.remove(group)
        left -= 2 * len(group.beside)
        groups += _halves(group, worth)
    found = np.zeros(players)
    for group in groups:
        found[group.first : group.end] = group.effect / (group.end - group.first)
    return found


def _halves(group: _Group, worth: Worth) -> list[_Group]:
    middle = (group.first + group.end) // 2
    with_left_NW, with_right_NW = group.beside.copy(), group.beside.copy()
    with_left_NW[:, group.first : middle] = True
    with_right_NW[:, middle : group.end] = True
    left_N, right_N = np.split(worth(np.concatenate([with_left_NW, with_right_NW])), 2)
    weight = group.weight / 2

    def half(first: int, end: int, other_NW: Bools, own_N: Floats, other_N: Floats) -> _Group:
        beside = np.concatenate([group.beside, other_NW])
        before, after = np.concatenate([group.before, other_N]), np.concatenate([own_N, group.after])
        return _Group(first, end, beside, weight, before, after)

    return [
        half(group.first, middle, with_right_NW, left_N, right_N),
        half(middle, group.end, with_left_NW, right_N, left_N),
    ]
