"""A linear model between items in closed form: Steck, "Embarrassingly shallow autoencoders for sparse data" (2019)."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.deed import UNIT

Numbers = NDArray[np.float64]
MOST_ITEMS = 4_000
"""The inverse of more would take more than 128 MiB and some ten seconds."""
REGULARISED = 100.0
"""Added to the diagonal, in squared weights; Steck's lambda."""
_PENDING = 64


class Ease:
    """P = (G + lambda I)^-1, kept up to date as users' rows change; B = -P / diag(P) with 0 on the diagonal.

    A row that changes adds two matrices of rank one to G, so P follows by the formula of Woodbury (1950), several rows
    at a time.
    """

    def __init__(self, gram: Numbers, regularised: float = REGULARISED) -> None:
        """From G in squared weights, (N, N)."""
        self.regularised = regularised
        self._inverse: Numbers = np.asarray(np.linalg.inv(gram + regularised * np.eye(len(gram))), np.float64)
        self._pending: list[tuple[Mapping[int, int], float]] = []

    @property
    def size(self) -> int:
        """Items."""
        return len(self._inverse)

    def grow(self, size: int) -> None:
        """Let there be items that nobody has had to do with."""
        more = size - self.size
        if more > 0:
            self._settle()
            self._inverse = np.pad(self._inverse, ((0, more), (0, more)))
            places = np.arange(size - more, size)
            self._inverse[places, places] = 1 / self.regularised

    def change(self, old: Mapping[int, int], new: Mapping[int, int]) -> None:
        """A user's row, in hundredths, has become another."""
        self._pending += [(row, sign) for row, sign in ((dict(new), 1.0), (dict(old), -1.0)) if row]
        if len(self._pending) >= _PENDING:
            self._settle()

    def scores(self, row: Mapping[int, int]) -> Numbers:
        """X B for a user's row in hundredths, (N,)."""
        self._settle()
        found = np.zeros(self.size)
        if not row or not self.size:
            return found
        places = np.array(sorted(row))
        weights = np.array([row[place] / UNIT for place in places])
        found = -(weights @ self._inverse[places]) / np.diagonal(self._inverse)
        found[places] += weights  # B_jj is 0, and -P_jj / P_jj was added
        return np.asarray(found, np.float64)

    def matrix(self) -> Numbers:
        """B, (N, N)."""
        self._settle()
        found: Numbers = -self._inverse / np.diagonal(self._inverse)
        np.fill_diagonal(found, 0.0)
        return found

    def _settle(self) -> None:
        if not self._pending:
            return
        rows = np.zeros((len(self._pending), self.size))
        for number, (row, _) in enumerate(self._pending):
            rows[number, list(row)] = np.array(list(row.values())) / UNIT
        signs = np.array([sign for _, sign in self._pending])
        self._pending = []
        right = rows @ self._inverse
        inner = np.diag(signs) + right @ rows.T
        self._inverse -= right.T @ np.linalg.solve(inner, right)
        self._inverse = (self._inverse + self._inverse.T) / 2
