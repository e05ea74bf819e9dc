"""Curves of any length in a few hundred buckets: the least, the greatest and the mean of what fell into each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

BUCKETS = 512
"""Of steps at most; then every two are made one. A plot is about as many points wide."""

MOST_SERIES = 48
"""Series of a log that are followed; a log has about a dozen."""

Numbers = NDArray[np.float64]


@dataclass
class Series:
    """One series: by bucket the least, the greatest, the sum and the count of its values, and the last of all."""

    least: Numbers = field(default_factory=lambda: np.full(BUCKETS, np.inf))
    greatest: Numbers = field(default_factory=lambda: np.full(BUCKETS, -np.inf))
    total: Numbers = field(default_factory=lambda: np.zeros(BUCKETS))
    count: Numbers = field(default_factory=lambda: np.zeros(BUCKETS))
    last: float | None = None

    def halved(self) -> None:
        """Make one bucket of every two."""
        half = BUCKETS // 2
        pairs = (self.least.reshape(half, 2).min(1), self.greatest.reshape(half, 2).max(1))
        sums = (self.total.reshape(half, 2).sum(1), self.count.reshape(half, 2).sum(1))
        self.least, self.greatest = (
            np.concatenate([pair, np.full(half, end)]) for pair, end in zip(pairs, (np.inf, -np.inf), strict=True)
        )
        self.total, self.count = (np.concatenate([each, np.zeros(half)]) for each in sums)

    def take(self, buckets: NDArray[np.int64], values: Numbers) -> None:
        """Add values to their buckets; those that are no finite numbers are left out."""
        sound = np.isfinite(values)
        buckets, values = buckets[sound], values[sound]
        if not len(values):
            return
        np.minimum.at(self.least, buckets, values)
        np.maximum.at(self.greatest, buckets, values)
        self.total += np.bincount(buckets, values, BUCKETS)
        self.count += np.bincount(buckets, minlength=BUCKETS)
        self.last = float(values[-1])


@dataclass
class Thinned:
    """All series of a log, over buckets of `width` steps each, up to the `last` step."""

    width: int = 1
    last: int = 0
    series: dict[str, Series] = field(default_factory=dict)

    def take(self, steps: NDArray[np.int64], columns: Mapping[str, Numbers]) -> None:
        """Add columns of values, NaN where a line has none, by the step of each line."""
        if not len(steps):
            return
        while int(steps.max()) // self.width >= BUCKETS:
            self.width *= 2
            for each in self.series.values():
                each.halved()
        self.last = max(self.last, int(steps.max()))
        buckets = np.clip(steps // self.width, 0, BUCKETS - 1)
        for name, values in columns.items():
            if name not in self.series and (len(self.series) >= MOST_SERIES or not np.isfinite(values).any()):
                continue
            self.series.setdefault(name, Series()).take(buckets, values)

    def to_plain(self) -> dict[str, Any]:
        """By name the last value and the points `[step, least, greatest, mean]`, as a page draws them."""
        told = {}
        for name, each in self.series.items():
            (at,) = np.nonzero(each.count)
            means = each.total[at] / each.count[at]
            steps = np.minimum(at * self.width + self.width // 2, self.last)
            points = np.stack([steps, each.least[at], each.greatest[at], means], 1)
            told[name] = {
                "last": each.last,
                "points": [[int(row[0]), *map(_short, row[1:])] for row in points.tolist()],
            }
        return told

    def kept(self) -> dict[str, Any]:
        """All of it as plain values."""
        return {
            "width": self.width,
            "last": self.last,
            "series": {
                name: {
                    "at": np.nonzero(each.count)[0].tolist(),
                    **{
                        key: getattr(each, key)[each.count > 0].tolist()
                        for key in ("least", "greatest", "total", "count")
                    },
                    "last": each.last,
                }
                for name, each in self.series.items()
            },
        }

    @classmethod
    def read(cls, kept: Mapping[str, Any]) -> "Thinned":
        """What `kept` has told; whatever else it is raises one of several errors."""
        found = cls(int(kept["width"]), int(kept["last"]))
        for name, each in kept["series"].items():
            series, at = Series(last=each["last"]), np.asarray(each["at"], np.int64)
            for key in ("least", "greatest", "total", "count"):
                getattr(series, key)[at] = np.asarray(each[key], np.float64)
            found.series[str(name)] = series
        return found


def _short(value: float) -> float:
    """Six digits, which is more than a plot shows."""
    return float(f"{value:.6g}")
