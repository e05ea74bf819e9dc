"""All items that there are, each at a place of its own."""

import itertools
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.item import Item


class Catalogue:
    """Items by place; one that was removed keeps its place, so that what was done with it still counts."""

    def __init__(self) -> None:
        """Empty."""
        self.items: list[Item] = []
        self.places: dict[str, int] = {}
        self._offered: list[bool] = []
        self._order = np.zeros(0, np.int64)

    def __len__(self) -> int:
        """Places."""
        return len(self.items)

    @property
    def offered(self) -> int:
        """Items that may be recommended."""
        return sum(self._offered)

    def changed(self, items: Sequence[Item]) -> list[tuple[int, Item]]:
        """Of items, each once, the new ones and those that have changed, at the places that `put` will give them."""
        new = itertools.count(len(self.items))
        places = [(self.places[item.id] if item.id in self.places else next(new), item) for item in items]
        return [(place, item) for place, item in places if place >= len(self.items) or self.items[place] != item]

    def put(self, item: Item) -> int:
        """The place of a new item or a changed one."""
        place = self.places.setdefault(item.id, len(self.items))
        if place == len(self.items):
            self.items.append(item)
            self._offered.append(True)
        self.items[place], self._offered[place] = item, True
        return place

    def offered_as(self, name: str) -> Item | None:
        """The item of a name; None where there is none, or it was removed."""
        place = self.places.get(name)
        return None if place is None or not self._offered[place] else self.items[place]

    def remove(self, name: str) -> None:
        """No longer recommend an item."""
        if name in self.places:
            self._offered[self.places[name]] = False

    def order(self) -> NDArray[np.int64]:
        """The places in the order of the items' names, (N,)."""
        if len(self._order) < len(self.items):
            self._order = np.array([self.places[name] for name in sorted(self.places)], np.int64)
        return self._order

    def open_at(self, moment: float) -> NDArray[np.bool_]:
        """Which may be recommended at a moment, (N,): neither removed nor yet to come."""
        times = np.array([item.time or 0.0 for item in self.items])
        return np.array(self._offered, np.bool_) & (times <= moment)

    def ages(self, moment: float) -> NDArray[np.float64]:
        """Days since each item was there, (N,); NaN where that is not known."""
        times = np.array([np.nan if item.time is None else item.time for item in self.items], float)
        return np.maximum(0.0, (moment - times) / 86_400)

    def named(self, places: Sequence[int]) -> list[str]:
        """The names of items."""
        return [self.items[place].id for place in places]
