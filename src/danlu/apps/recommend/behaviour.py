"""What all users have done, in memory: a function of the set of deeds, whatever the order in which they came."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.deed import Deed, Weights
from danlu.apps.recommend.ease import MOST_ITEMS, Ease
from danlu.apps.recommend.together import Together

Numbers = NDArray[np.float64]
PAIRED = 500
"""Items of a user that count for what goes together, the last ones; a robot has seen all."""
_FINE = 2**20
"""Steps in which what has faded is counted: whole numbers add up to the same in any order."""


@dataclass(frozen=True)
class Touch:
    """What a user has had to do with an item: the heaviest action, its hundredths, and when it was last."""

    action: str
    units: int
    time: float
    slot: int


class Behaviour:
    """Users, the items that each has touched, and what follows of that.

    - `known`: all users of whom anything has come, also if it waits for its item.
    """

    def __init__(self, weights: Weights, *, ease: bool = True) -> None:
        """Nobody has done anything; `ease`: whether the linear model is kept."""
        self.weights = weights
        self.together = Together()
        self.users: dict[str, dict[int, Touch]] = {}
        self.known: set[str] = set()
        self.waiting: dict[str, list[Deed]] = {}
        self.latest = 0.0
        self._ease_wanted = ease
        self._ease: Ease | None = None
        self._places: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._items = np.zeros(64, np.int64)
        self._units = np.zeros(64, np.int64)
        self._times = np.zeros(64)
        self._slots = 0

    def know(self, item: str, place: int) -> None:
        """An item has a place from now on; what was done with it before takes effect."""
        self._places[item], self._names[place] = place, item
        self.together.grow(place + 1)
        if item in self.waiting:
            self.add(self.waiting.pop(item))

    def add(self, deeds: Iterable[Deed]) -> None:
        """Add deeds; those of items without a place wait for it, what an unknown action says is that it was seen.

        Many at once, when nothing was known before, are added as one product of matrices.
        """
        first = not self._slots
        before: dict[str, dict[int, int]] = {}
        for deed in deeds:
            self.known.add(deed.user)
            place = self._places.get(deed.item)
            if place is None:
                self.waiting.setdefault(deed.item, []).append(deed)
                continue
            self.latest = max(self.latest, deed.time)
            units = self.weights.of(deed.action) or 0
            touched = self.users.setdefault(deed.user, {})
            if deed.user not in before:
                before[deed.user] = self.row(deed.user)
            touched[place] = self._joined(touched.get(place), place, deed, units)
        if first:
            self._add_all(before)
            return
        if len(before) > self.together.size // 16:  # then all is inverted sooner than it is mended
            self._ease = None
        for user, old in before.items():
            new = self.row(user)
            if new != old:
                self.together.change(old, new)
                if self._ease is not None:
                    self._ease.grow(self.together.size)
                    self._ease.change(old, new)

    def row(self, user: str) -> dict[int, int]:
        """The hundredths of each item of a user that counts for what goes together."""
        return {place: touch.units for place, touch in self.history(user, PAIRED)}

    def history(self, user: str, most: int) -> list[tuple[int, Touch]]:
        """What a user has last touched, the last first."""
        touched = self.users.get(user, {})
        return sorted(touched.items(), key=lambda each: (-each[1].time, self._names[each[0]]))[:most]

    def seen(self, user: str) -> set[int]:
        """Places of all that a user has had to do with."""
        return set(self.users.get(user, ()))

    def popularity(self, moment: float, half_life: float, size: int) -> Numbers:
        """The weights of all touches of each item, faded by half in `half_life` seconds, (N,).

        Where nothing has happened for long, as it was at the last deed: all would have faded alike.
        """
        ages = np.maximum(0.0, min(moment, self.latest) - self._times[: self._slots])
        faded = np.floor(self._units[: self._slots] * _FINE * np.exp2(-ages / half_life))
        return np.bincount(self._items[: self._slots], faded, size) / (_FINE * 100)

    def touched_by(self, size: int) -> NDArray[np.int64]:
        """How many users have touched each item, (N,)."""
        return np.bincount(self._items[: self._slots], minlength=size)

    @property
    def ease(self) -> Ease | None:
        """The linear model, or None where there are too many items for it."""
        if not self._ease_wanted or self.together.size > MOST_ITEMS:
            self._ease = None
        elif self._ease is None:
            self._ease = Ease(self.together.gram() / 100**2)
        else:
            self._ease.grow(self.together.size)
        return self._ease

    def _joined(self, old: Touch | None, place: int, deed: Deed, units: int) -> Touch:
        """A touch with one more deed."""
        if old is None:
            slot = self._slots
            self._slots += 1
            if slot == len(self._items):
                for name in ("_items", "_units", "_times"):
                    setattr(self, name, np.concatenate([getattr(self, name), np.zeros_like(getattr(self, name))]))
            self._items[slot] = place
            found = Touch(deed.action, units, deed.time, slot)
        else:
            heaviest = max((old.units, old.action), (units, deed.action))
            found = Touch(heaviest[1], heaviest[0], max(old.time, deed.time), old.slot)
        self._units[found.slot], self._times[found.slot] = found.units, found.time
        return found

    def _add_all(self, users: Iterable[str]) -> None:
        from scipy import sparse

        rows = [self.row(user) for user in users]
        starts = np.cumsum([0, *map(len, rows)])
        places = np.array([place for row in rows for place in row], np.int64)
        units = np.array([units for row in rows for units in row.values()], np.int64)
        self.together.add_all(sparse.csr_matrix((units, places, starts), (len(rows), self.together.size)))
        self._ease = None
