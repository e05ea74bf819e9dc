"""How much two items have to do with each other by who had to do with both."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
Row = Mapping[int, int]
"""Of a user: the weight of each item, in hundredths, by its place."""

SHRINK = 2.0e4
"""Added to the product of the norms, in squared hundredths: two users who viewed; what few have done says little."""
REBUILT_AT = 200_000
"""Changes that are kept beside the matrix before they are added to it."""


class Together:
    """The Gram matrix of users' weights, G = X'X, in whole numbers, so that the order of what came does not matter.

    Likeness is the cosine of two columns with a little added below (Sarwar et al., 2001): item neighbours.
    """

    def __init__(self) -> None:
        """No item is known."""
        from scipy import sparse

        self.size = 0
        self._sum: Any = sparse.csr_matrix((0, 0), dtype=np.int64)
        self._more: dict[int, dict[int, int]] = {}
        self._changes = 0
        self.norms = np.zeros(0, np.int64)
        """G_ii: the squared weights of all who had to do with an item."""

    def grow(self, size: int) -> None:
        """Let there be more items."""
        if size > self.size:
            self._sum.resize((size, size))
            self.norms = np.concatenate([self.norms, np.zeros(size - self.size, np.int64)])
            self.size = size

    def change(self, old: Row, new: Row) -> None:
        """A user's row has become another."""
        changed = {place for place in {*old, *new} if old.get(place, 0) != new.get(place, 0)}
        union = {**old, **new}
        for one in changed:
            before, now = old.get(one, 0), new.get(one, 0)
            self.norms[one] += now * now - before * before
            for other in union:
                step = now * new.get(other, 0) - before * old.get(other, 0)
                if step and other != one:
                    self._add(one, other, step)
                    if other not in changed:
                        self._add(other, one, step)
        if self._changes > REBUILT_AT:
            self._fold()

    def add_all(self, rows: Any) -> None:
        """Add many users at once: a sparse matrix of whole numbers, a row each, that `change` has not seen."""
        gram = (rows.T @ rows).astype(np.int64).tocsr()
        gram.resize((self.size, self.size))
        self.norms += gram.diagonal()
        gram.setdiag(0)
        gram.eliminate_zeros()
        self._sum = self._sum + gram

    def counts(self, place: int) -> NDArray[np.int64]:
        """G between an item and every item, (N,); 0 for itself."""
        start, stop = self._sum.indptr[place : place + 2]
        found = np.zeros(self.size, np.int64)
        found[self._sum.indices[start:stop]] = self._sum.data[start:stop]
        for other, step in self._more.get(place, {}).items():
            found[other] += step
        return found

    def likeness(self, place: int) -> Numbers:
        """The cosine between an item and every item, (N,), shrunk; 0 for itself."""
        below = np.sqrt(self.norms[place].astype(float) * self.norms) + SHRINK
        found: Numbers = self.counts(place) / below
        return found

    def gram(self) -> Numbers:
        """All of G, (N, N)."""
        self._fold()
        full: Numbers = np.asarray(self._sum.todense(), np.float64)
        full[np.diag_indices(self.size)] = self.norms
        return full

    def _add(self, one: int, other: int, step: int) -> None:
        row = self._more.setdefault(one, {})
        row[other] = row.get(other, 0) + step
        self._changes += 1

    def _fold(self) -> None:
        from scipy import sparse

        if not self._more:
            return
        triples = [(one, other, step) for one, row in self._more.items() for other, step in row.items() if step]
        if triples:
            rows, columns, steps = np.array(triples, np.int64).T
            more = sparse.csr_matrix((steps, (rows, columns)), (self.size, self.size), dtype=np.int64)
            self._sum = (self._sum + more).tocsr()
            self._sum.eliminate_zeros()
        self._more, self._changes = {}, 0
