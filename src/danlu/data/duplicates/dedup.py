"""Texts that are the same, or nearly."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from danlu.data.duplicates.alike import Forest, Pairs, join_alike, similarities
from danlu.data.duplicates.folded import folded
from danlu.data.duplicates.minhash import band_keys

Rows = NDArray[np.signedinteger]


@dataclass(frozen=True)
class Clusters:
    """Which of N texts belong together: for each, the position of the first text of its cluster.

    - `exact`: texts that are equal but for white space at the ends, (N,).
    - `near`: these, and texts that are alike, through others if need be, (N,).
    - `uncompared`: texts that share a template with more others than they were compared with.
    """

    exact: Rows
    near: Rows
    uncompared: int = 0

    def apart(self, asked: NDArray[np.integer]) -> "Clusters":
        """The clusters of records: of like texts only those that have one number in `asked`, (N,), are together."""
        if not asked.any():
            return self
        return replace(self, exact=_apart(self.exact, asked), near=_apart(self.near, asked))


def _apart(clusters: Rows, asked: NDArray[np.integer]) -> Rows:
    order = np.lexsort((asked, clusters))  # stable, so that the first row of each cluster names it
    begins = np.ones(len(order), bool)
    begins[1:] = (np.diff(clusters[order]) != 0) | (asked[order][1:] != asked[order][:-1])
    found = np.empty_like(clusters)
    found[order] = order[begins][np.cumsum(begins) - 1]
    return found


def find_clusters(texts: Sequence[str], similarity: float = 0.8) -> Clusters:
    """Cluster texts by equality, and by the Jaccard similarity of their shingles.

    Two texts are alike if that similarity, case, width of characters and white space aside, is at least `similarity`.
    Of the pairs just at it, one in a thousand is missed (see `minhash`), and of texts from one template more, as not
    all of them are compared (see `join_alike`).
    """
    exact = exact_clusters([text.strip() for text in texts])
    firsts = np.flatnonzero(exact == np.arange(len(texts)))
    near_of_first = np.empty(len(texts), np.int64)
    near, uncompared = _near([texts[row] for row in firsts.tolist()], similarity)
    near_of_first[firsts] = firsts[near]
    return Clusters(exact, near_of_first[exact], uncompared)


def exact_clusters(texts: Sequence[Hashable]) -> Rows:
    """For each text the position of the first one that equals it, (N,)."""
    first: dict[Hashable, int] = {}
    return np.fromiter((first.setdefault(text, row) for row, text in enumerate(texts)), np.int64, len(texts))


def _near(texts: Sequence[str], similarity: float) -> tuple[Rows, int]:
    """The clusters, and how many texts were not compared with all that may be alike."""
    bare = folded(texts)
    forest = Forest(exact_clusters([bare.bytes_of(row) for row in range(len(texts))]))
    firsts = forest.parents == np.arange(len(texts))
    rows = np.flatnonzero(firsts)
    uncompared = 0
    if len(rows) > 1:
        keys = band_keys(folded([texts[row] for row in rows.tolist()]), similarity)

        def verify(pairs: Pairs) -> NDArray[np.float64]:
            there, places = np.unique(pairs, return_inverse=True)
            return similarities([texts[row] for row in there.tolist()], places.reshape(pairs.shape))

        uncompared = join_alike(forest, ((band, rows) for band in keys), similarity, verify, firsts=firsts)
    return forest.clusters().astype(np.int64), uncompared


def first_of_each(
    rows: Rows,
    clusters: Clusters,
    how: Literal["none", "exact", "near"],
    opinions: NDArray[np.integer],
) -> Rows:
    """Of some rows, ascending, the first of each cluster that has any, and of each label in it.

    - `opinions`: a number for each row's label, 0 for none, (N,); a row without one repeats any other.
    """
    if how == "none" or not len(rows):
        return rows
    names = (clusters.exact if how == "exact" else clusters.near)[rows].astype(np.int64)
    said = opinions[rows]
    heard = np.zeros(len(clusters.near), bool)
    heard[names[said != 0]] = True
    order = np.lexsort((said, names))  # stable, so rows stay ascending where both are equal
    first = np.ones(len(rows), bool)
    first[1:] = (np.diff(names[order]) != 0) | (said[order][1:] != said[order][:-1])
    kept = order[first]
    found: Rows = rows[np.sort(kept[(said[kept] != 0) | ~heard[names[kept]]])]
    return found


def numbered(values: Iterable[str | None]) -> NDArray[np.int64]:
    """A number for each value, the same for equal ones, 0 for none."""
    known: dict[str | None, int] = {None: 0}
    return np.array([known.setdefault(value, len(known)) for value in values], np.int64)


def contested(truths: NDArray[np.integer], clusters: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Whether each row's truth is one of several in its cluster, (N,); 0 is none, and contradicts nothing."""
    heard = np.zeros(len(clusters), truths.dtype)
    np.maximum.at(heard, clusters, truths)
    crossed = np.zeros(len(clusters), bool)
    crossed[clusters[(truths != 0) & (truths != heard[clusters])]] = True
    found: NDArray[np.bool_] = crossed[clusters] & (truths != 0)
    return found
