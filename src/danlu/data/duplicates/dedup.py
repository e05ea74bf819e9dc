"""Texts that are the same, or nearly: found, and dropped."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from danlu.data.duplicates.alike import Forest, Pairs, join_alike, similarities
from danlu.data.duplicates.folded import folded
from danlu.data.duplicates.minhash import band_keys
from danlu.data.record import Columns, Record, opinion_of, text_of, truth_of

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


@dataclass(frozen=True)
class Kept:
    """What is left of N records.

    - `rows`: positions of the records that stay, in order.
    - `duplicates`: records dropped because an earlier one of their cluster stays.
    - `conflicts`: records dropped because the same text comes with different labels.
    """

    rows: Rows
    duplicates: int
    conflicts: int


def find_clusters(texts: Sequence[str], similarity: float = 0.8) -> Clusters:
    """Cluster texts by equality, and by the Jaccard similarity of their shingles (see `near_clusters`)."""
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


def near_clusters(texts: Sequence[str], similarity: float = 0.8) -> Rows:
    """For each text the position of the first one that it is alike to, itself or through others, (N,).

    Two texts are alike if the Jaccard similarity of their shingles, case, width of characters and white space
    aside, is at least `similarity`; of the pairs just at it, one in a thousand is missed (see `minhash`), and of texts
    from one template more, as not all of them are compared (see `join_alike`).
    """
    return _near(texts, similarity)[0]


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


def drop_duplicates(
    records: Sequence[Record],
    clusters: Clusters,
    *,
    how: Literal["none", "exact", "near"] = "near",
    conflicts: Literal["drop", "keep"] = "drop",
) -> Kept:
    """Keep the first record of each cluster and label, and none whose text has different labels under `drop`.

    Records are compared as they come; `clusters` are those of their texts.
    """
    contested = conflicting(records, clusters.exact) if conflicts == "drop" else np.zeros(len(records), bool)
    rows = first_of_each(np.flatnonzero(~contested), clusters, how, numbered(map(opinion_of, records)))
    dropped = int(contested.sum())
    return Kept(rows, len(records) - dropped - len(rows), dropped)


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


def conflicting(records: Sequence[Record], exact: Rows) -> NDArray[np.bool_]:
    """Whether each record's text comes with more than one label, or set of entities, (N,)."""
    return contested(numbered(map(truth_of, records)), exact)


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


def texts_of(records: Sequence[Record], column: Columns = "text") -> list[str]:
    """The texts by which records are compared."""
    return [text_of(record, column) for record in records]
