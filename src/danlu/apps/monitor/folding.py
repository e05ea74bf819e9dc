"""Texts that repeat an earlier one, nearly: found as they come, one after the other.

The keys are those of `data/duplicates/minhash.py`; of each key the last text that had it is remembered, and the one
with the latest date, as a wrong date may stand between; so what is found depends on the order of the texts alone, and
not on how many came at once.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from danlu.data.duplicates.alike import similarities
from danlu.data.duplicates.folded import folded
from danlu.data.duplicates.minhash import band_keys

SIMILARITY = 0.7
"""Jaccard similarity of their shingles from which two texts are one piece of news."""

WINDOW = 3 * 86_400.0
"""Seconds from the first of them at most: what is said again later is news again."""

CAPACITY = 50_000
"""Texts that are remembered; 1.3 kB each."""

TextsOf = Callable[[Sequence[int]], Mapping[int, str]]


@dataclass(frozen=True)
class Fold:
    """What was found for a text: the first text that it repeats, or None, and its keys, to be kept."""

    like: int | None
    bands: bytes


@dataclass(frozen=True, slots=True)
class _Known:
    """A text that is remembered: its date, the first text that it repeats, itself for none, and the date of that."""

    date: float
    first: int
    begun: float


class Folding:
    """The memory of texts; each has a number, in any order."""

    def __init__(self, texts_of: TextsOf) -> None:
        """Remember nothing yet; `texts_of` gives the texts of numbers that were remembered."""
        self._texts_of = texts_of
        self._last: dict[int, int] = {}
        self._latest: dict[int, int] = {}  # of keys whose last text is older than another
        self._known: dict[int, _Known] = {}
        self._order: deque[tuple[int, list[int]]] = deque()

    def remember(self, number: int, like: int | None, date: float, bands: bytes, begun: float | None = None) -> None:
        """Take up a text that was found earlier, which repeats one of the time `begun`."""
        self._remember(number, np.frombuffer(bands, np.uint64).tolist(), date)
        if like is not None:
            self._known[number] = _Known(date, like, date if begun is None else begun)

    def fold(self, numbers: Sequence[int], texts: Sequence[str], dates: Sequence[float]) -> list[Fold]:
        """What each of some texts repeats, of all before it."""
        if not texts:
            return []
        keys = _keys(texts)
        pairs: list[tuple[int, int]] = []
        for place, number in enumerate(numbers):
            own = keys[place].tolist()
            found = sorted({last[key] for last in (self._last, self._latest) for key in own if key in last})
            near = [other for other in found if abs(self._known[other].date - dates[place]) <= WINDOW]
            pairs.extend((place, other) for other in near)
            self._remember(number, own, dates[place])
        alike = self._alike(pairs, dict(zip(numbers, texts, strict=True)), texts)
        folds = []
        for place, number in enumerate(numbers):
            others = [self._known[other] for other in alike.get(place, ()) if other in self._known]
            near_first = [other for other in others if abs(other.begun - dates[place]) <= WINDOW]
            first = min(near_first, key=lambda other: other.first, default=None)
            if first is not None and number in self._known:
                self._known[number] = _Known(dates[place], first.first, first.begun)
            folds.append(Fold(None if first is None else first.first, keys[place].tobytes()))
        return folds

    def _remember(self, number: int, keys: list[int], date: float) -> None:
        self._known[number] = _Known(date, number, date)
        for key in keys:
            latest = self._latest.get(key, self._last.get(key))
            if latest is not None and date < self._known[latest].date:
                self._latest[key] = latest
            else:
                self._latest.pop(key, None)
            self._last[key] = number
        self._order.append((number, keys))
        if len(self._order) > CAPACITY:
            gone, old = self._order.popleft()
            del self._known[gone]
            for last in (self._last, self._latest):
                for key in old:
                    if last.get(key) == gone:
                        del last[key]

    def _alike(
        self, pairs: Sequence[tuple[int, int]], here: Mapping[int, str], texts: Sequence[str]
    ) -> dict[int, list[int]]:
        """By place, the numbers of the texts that are truly alike."""
        if not pairs:
            return {}
        others = sorted({other for _, other in pairs})
        before = self._texts_of([other for other in others if other not in here])
        wanted = [other for other in others if other in here or other in before]
        rows = {other: len(texts) + row for row, other in enumerate(wanted)}
        all_texts = [*texts, *(here[other] if other in here else before[other] for other in wanted)]
        kept = [(place, other) for place, other in pairs if other in rows]
        if not kept:
            return {}
        found = similarities(all_texts, np.array([(place, rows[other]) for place, other in kept], np.int64))
        alike: dict[int, list[int]] = {}
        for (place, other), similarity in zip(kept, found.tolist(), strict=True):
            if similarity >= SIMILARITY:
                alike.setdefault(place, []).append(other)
        return alike


def _keys(texts: Sequence[str]) -> NDArray[np.uint64]:
    """The keys of each text, (N, bands); those of different bands differ."""
    keys = band_keys(folded(texts), SIMILARITY)
    return np.ascontiguousarray((keys ^ (np.arange(len(keys), dtype=np.uint64) << np.uint64(56))[:, None]).T)
