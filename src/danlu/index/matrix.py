"""All vectors of a store side by side in memory, for stores that compare none themselves. N vectors, E numbers.

A cache: what a session sees decides, and what was read before is used where it is still there.
"""

import threading
from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from danlu.index.store import Session, Vectors

_BLOCK = 500  # vectors that are fetched by one statement


class State(NamedTuple):
    """The vectors of one state of the store: numbers of their passages, in order (N,), and themselves (N, E)."""

    generation: str
    numbers: NDArray[np.int64]
    vectors: "Vectors"


class Matrix:
    """The vectors of the last state that was asked for; used by many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._state = State("", np.zeros(0, np.int64), np.zeros((0, 0), np.float32))

    def seen_by(self, session: "Session", generation: str) -> State:
        """The vectors as a session sees them, of which `generation` tells the state."""
        with self._lock:
            before = self._state
        if before.generation == generation:
            return before
        rows = session.rows("SELECT number FROM danlu_passages ORDER BY number")  # far less to read than the vectors
        there = np.array([row[0] for row in rows], np.int64)
        kept = np.isin(before.numbers, there, assume_unique=True)
        read = dict(_read(session, np.setdiff1d(there, before.numbers, assume_unique=True).tolist()))
        numbers = np.sort(np.concatenate([before.numbers[kept], np.array([*read], np.int64)]))
        width = len(next(iter(read.values()))) if read else before.vectors.shape[1]
        vectors = np.empty((len(numbers), width), np.float32)
        if kept.any():
            vectors[np.searchsorted(numbers, before.numbers[kept])] = before.vectors[kept]
        for number, vector in read.items():
            vectors[np.searchsorted(numbers, number)] = vector
        state = State(generation, numbers, vectors)
        with self._lock:
            self._state = state
        return state


def nearest(state: State, query: "Vectors", limit: int, only: Collection[int] | None = None) -> list[tuple[int, float]]:
    """The passages whose vectors have the greatest product with a query, the best first; of equal ones the older."""
    numbers, vectors = state.numbers, state.vectors
    if only is not None:
        places = np.flatnonzero(np.isin(numbers, np.fromiter(only, np.int64, len(only))))
        numbers, vectors = numbers[places], vectors[places]
    if not len(numbers):
        return []
    scores = np.round((vectors @ query).astype(np.float64), 5)
    if limit < len(scores):
        least = np.partition(scores, len(scores) - limit)[len(scores) - limit]
        places = np.flatnonzero(scores >= least)
        numbers, scores = numbers[places], scores[places]
    order = np.lexsort((numbers, -scores))[:limit]
    return list(zip(numbers[order].tolist(), scores[order].tolist(), strict=True))


def nearest_in(
    session: "Session",
    matrix: Matrix,
    query: "Vectors",
    limit: int,
    where: Mapping[str, str],
    among: Sequence[int] | None,
) -> list[tuple[int, float]]:
    """The nearest passages as a session sees them; see `Session.nearest`."""
    only = session.passages_where(where) if where else None
    if among is not None:
        only = set(among) if only is None else only & set(among)
    return nearest(matrix.seen_by(session, session.settings().get("generation", "")), query, limit, only)


def _read(session: "Session", numbers: list[int]) -> "list[tuple[int, Vectors]]":
    found = []
    for start in range(0, len(numbers), _BLOCK):
        block = numbers[start : start + _BLOCK]
        marks = ", ".join("?" * len(block))
        rows = session.rows(f"SELECT passage, vector FROM danlu_vectors WHERE passage IN ({marks})", block)  # noqa: S608
        found += [(int(number), np.frombuffer(vector, "<f4")) for number, vector in rows]
    return found
