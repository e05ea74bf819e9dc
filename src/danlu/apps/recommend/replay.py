"""The past once more: what was known at a moment, and nothing of what came later."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from danlu.apps.recommend.behaviour import Behaviour
from danlu.apps.recommend.catalogue import Catalogue
from danlu.apps.recommend.deed import Deed, Weights
from danlu.apps.recommend.features import View, view_of
from danlu.apps.recommend.item import Item
from danlu.apps.recommend.vectors import Space

MakeSpace = Callable[[], Space]


@dataclass(frozen=True)
class Asked:
    """A user at a moment, and what he has taken up in the time that followed.

    - `taken`: hundredths of each item, by its place: those that were there at the moment and not seen before.
    - `cold`: those of them that nobody had touched before.
    """

    user: str
    view: View
    taken: dict[int, int]
    cold: frozenset[int]


class Replay:
    """Items and deeds in the order of time, let in up to a moment."""

    def __init__(self, items: Sequence[Item], deeds: Sequence[Deed], weights: Weights, space: MakeSpace) -> None:
        """Nothing is let in yet."""
        self._items = sorted(items, key=lambda item: (item.time or 0.0, item.id))
        self._deeds = sorted(deeds, key=lambda deed: (deed.time, deed.user, deed.item, deed.action))
        self._next_item = self._next_deed = 0
        self.catalogue = Catalogue()
        self.behaviour = Behaviour(weights)
        self.space = space()

    def advance(self, moment: float) -> None:
        """Let in items up to a moment, and deeds before it."""
        first = self._next_item
        while self._next_item < len(self._items) and (self._items[self._next_item].time or 0.0) <= moment:
            self._next_item += 1
        if put := [(self.catalogue.put(item), item) for item in self._items[first : self._next_item]]:
            self.space.put(put)
            for place, item in put:
                self.behaviour.know(item.id, place)
        self.behaviour.add(self._until(moment))

    def asked(
        self, moment: float, until: float, most: int | None = None, rng: np.random.Generator | None = None
    ) -> Iterator[Asked]:
        """All users who take something up between two moments, as they are seen at the first of them.

        One after the other, as a view is large; where there are more than `most`, so many of them drawn by `rng`.
        """
        self.advance(moment)
        taken: dict[str, dict[int, int]] = {}
        for deed in self._deeds[self._next_deed :]:
            if deed.time >= until:
                break
            place = self.catalogue.places.get(deed.item)
            if place is not None:
                units = self.behaviour.weights.of(deed.action) or 0
                own = taken.setdefault(deed.user, {})
                own[place] = max(own.get(place, 0), units)
        touched = self.behaviour.touched_by(len(self.catalogue))
        fresh = {
            user: {place: units for place, units in taken[user].items() if place not in self.behaviour.seen(user)}
            for user in sorted(taken)
        }
        users = [user for user, own in fresh.items() if own]
        if most is not None and rng is not None and len(users) > most:
            users = [users[each] for each in sorted(rng.permutation(len(users))[:most])]
        for user in users:
            view = view_of(user, moment, self.catalogue, self.behaviour, self.space)
            cold = frozenset(place for place in fresh[user] if touched[place] == 0)
            yield Asked(user, view, fresh[user], cold)

    def _until(self, moment: float) -> list[Deed]:
        first = self._next_deed
        while self._next_deed < len(self._deeds) and self._deeds[self._next_deed].time < moment:
            self._next_deed += 1
        return self._deeds[first : self._next_deed]


def moments(start: float, end: float, windows: int) -> list[tuple[float, float]]:
    """Equal spans between two moments."""
    edges = np.linspace(start, end, windows + 1).tolist()
    return list(itertools.pairwise(edges))
