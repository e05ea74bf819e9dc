"""A linear model between items in closed form: Steck, "Embarrassingly shallow autoencoders for sparse data" (2019)."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.deed import UNIT

Numbers = NDArray[np.float64]
MOST_ITEMS = 4_000
"""The inverse of more would take more than 128 MiB and some ten seconds."""
REGULARISED = 100.0
"""Added to the diagonal, in squared weights; Steck's lambda."""
_PENDING = 64


@dataclass(frozen=True)
class _Change:
    """A row x that was added to X (`sign` 1) or taken from it (-1), where it is not 0, and x P."""

    places: NDArray[np.int64]
    weights: Numbers
    sign: float
    product: Numbers


class Ease:
    """P = (G + lambda I)^-1, kept up to date as users' rows change; B = -P / diag(P) with 0 on the diagonal.

    A row that changes adds two matrices of rank one to G, so P follows by the formula of Woodbury (1950): what is asked
    is corrected by the rows that have changed since, and P itself by several at a time.
    """

    def __init__(self, gram: Numbers, regularised: float = REGULARISED) -> None:
        """From G in squared weights, (N, N)."""
        self.regularised = regularised
        self._inverse: Numbers = np.asarray(np.linalg.inv(gram + regularised * np.eye(len(gram))), np.float64)
        self._pending: list[_Change] = []

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
        for row, sign in ((new, 1.0), (old, -1.0)):
            if row:
                places, weights = _plain(row)
                self._pending.append(_Change(places, weights, sign, weights @ self._inverse[places]))
        if len(self._pending) >= _PENDING:
            self._settle()

    def scores(self, row: Mapping[int, int]) -> Numbers:
        """X B for a user's row in hundredths, (N,)."""
        if not row or not self.size:
            return np.zeros(self.size)
        places, weights = _plain(row)
        product, diagonal = weights @ self._inverse[places], np.diagonal(self._inverse)
        if self._pending:
            products, solved = self._correction()
            product = product - products[:, places] @ weights @ solved
            diagonal = diagonal - (products * solved).sum(0)
        found = -product / diagonal
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
        products, solved = self._correction()
        self._pending = []
        self._inverse -= products.T @ solved
        self._inverse = (self._inverse + self._inverse.T) / 2

    def _correction(self) -> tuple[Numbers, Numbers]:
        """X P of the rows that wait, (K, N), and (S + X P X')^-1 X P, where S are their signs."""
        products = np.stack([each.product for each in self._pending])
        inner = np.stack([products[:, each.places] @ each.weights for each in self._pending], 1)
        inner += np.diag([each.sign for each in self._pending])
        return products, np.asarray(np.linalg.solve(inner, products), np.float64)


def _plain(row: Mapping[int, int]) -> tuple[NDArray[np.int64], Numbers]:
    """Where a row in hundredths is not 0, and its weights there."""
    places = np.array(sorted(row), np.int64)
    return places, np.array([row[place] / UNIT for place in places.tolist()])
