"""Rows dealt out to train, validation and test, so that nothing alike stands on both sides."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.refusal import Refusal

Rows = NDArray[np.int64]
Integers = NDArray[np.signedinteger]


def split(
    clusters: Integers,
    shares: Mapping[str, float],
    rng: np.random.Generator,
    codes: Integers | None = None,
    labels: Sequence[str] = (),
) -> dict[str, Rows]:
    """Deal N rows out by shares, whole clusters at a time, each label by itself: positions by split, ascending.

    - `clusters`: (N,), rows of one number stay together.
    - `shares`: of every split, summing to one; a split without a share is left out.
    - `codes`: each row's label as a position in `labels`, (N,); every label then occurs in every split.

    Raises:
        Refusal: there are fewer clusters than splits, or a label has too few to occur in every split.
    """
    names = [name for name, share in shares.items() if share > 0]
    firsts, owner, sizes = _numbered(clusters)
    _refuse_few(len(firsts), names)
    of_cluster = np.zeros(len(firsts), np.int64) if codes is None else _label_of_cluster(owner, codes, len(firsts))
    dealt = np.empty(len(firsts), np.int8)
    lacking = np.zeros(len(names))
    by_label = np.argsort(of_cluster, kind="stable")
    ends = np.cumsum(np.bincount(of_cluster, minlength=max(1, len(labels))))
    order = np.argsort(labels) if len(labels) else [0]
    for label in np.asarray(order).tolist():
        members = by_label[ends[label - 1] if label else 0 : ends[label]]
        shuffled = members[rng.permutation(len(members))]
        shuffled = shuffled[np.argsort(-sizes[shuffled], kind="stable")]
        lacking += np.array([shares[name] for name in names]) * int(sizes[shuffled].sum())
        dealt[shuffled] = _dealt(sizes[shuffled], lacking)
    found = dealt[owner]
    if codes is not None:
        _refuse_absent_labels(codes, labels, found, names)
    return {name: np.flatnonzero(found == number) for number, name in enumerate(names)}


def split_by_time(clusters: Integers, shares: Mapping[str, float], times: NDArray[np.float64]) -> dict[str, Rows]:
    """Deal N rows out by time, whole clusters at a time: training before validation before test.

    - `times`: of every row, (N,); a cluster has that of its earliest row, so what is tested was not there before.
    - `shares`: of train, validation and test, in this order; the cut falls between clusters.

    Raises:
        Refusal: there are fewer clusters than splits.
    """
    names = [name for name, share in shares.items() if share > 0]
    firsts, owner, sizes = _numbered(clusters)
    _refuse_few(len(firsts), names)
    earliest = np.full(len(firsts), np.inf)
    np.minimum.at(earliest, owner, times)
    order = np.argsort(earliest, kind="stable")
    before = np.concatenate([[0], np.cumsum(sizes[order])[:-1]])
    cuts = np.cumsum([shares[name] for name in names])[:-1] * len(clusters)
    dealt = np.empty(len(firsts), np.int8)
    places = np.searchsorted(cuts, before, side="right")
    for number in range(1, len(places)):  # no split is passed over by a cluster that is larger than it
        places[number] = min(places[number], places[number - 1] + 1)
    for number in range(len(names)):  # every split has a cluster at least, however large the others are
        places[number] = min(places[number], number)
        places[len(places) - 1 - number] = max(places[len(places) - 1 - number], len(names) - 1 - number)
    dealt[order] = places
    return {name: np.flatnonzero(dealt[owner] == number) for number, name in enumerate(names)}


def _numbered(clusters: Integers) -> tuple[Integers, Integers, Integers]:
    """The names of the clusters, (C,), each row's cluster as a position in them, (N,), and their sizes, (C,)."""
    names, owner, sizes = np.unique(clusters, return_inverse=True, return_counts=True)
    return names, owner, sizes


def _refuse_few(clusters: int, names: Sequence[str]) -> None:
    if clusters < len(names):
        raise Refusal(
            f"{clusters} different texts cannot be split into {', '.join(names)}; "
            "give more data, or set the share of a split to 0"
        )


def _label_of_cluster(owner: Integers, codes: Integers, count: int) -> Integers:
    """The label that most rows of a cluster have, the first of them on a tie, (C,)."""
    width = int(codes.max()) + 1
    pairs, first, counts = np.unique(owner.astype(np.int64) * width + codes, return_index=True, return_counts=True)
    cluster, label = np.divmod(pairs, width)
    order = np.lexsort((first, -counts, cluster))
    leading = np.searchsorted(cluster[order], np.arange(count))
    found: Integers = label[order[leading]]
    return found


def _dealt(sizes: Integers, lacking: NDArray[np.float64]) -> NDArray[np.int8]:
    """Give clusters, the largest first, to the split that lacks most rows; counts `lacking` down: (C,).

    A split that is left without any then gets the smallest of the split that has most.
    """
    given = np.empty(len(sizes), np.int8)
    distinct, first, counts = np.unique(-sizes, return_index=True, return_counts=True)
    for size, begin, count in zip(-distinct, first, counts, strict=True):
        shares = _filled(lacking / size, int(count))
        given[begin : begin + count] = np.repeat(np.arange(len(lacking)), shares)
        lacking -= shares * size
    totals = np.bincount(given, minlength=len(lacking))
    for number in np.flatnonzero(totals == 0).tolist():
        donor = int(np.argmax(totals))
        if totals[donor] > 1:
            smallest = int(np.flatnonzero(given == donor)[-1])
            given[smallest] = number
            totals[donor], totals[number] = totals[donor] - 1, 1
            lacking[number] -= sizes[smallest]
            lacking[donor] += sizes[smallest]
    return given


def _filled(lacking: NDArray[np.float64], count: int) -> Integers:
    """How many of `count` ones each split gets if each goes to the one that then lacks most."""
    level = np.sort(lacking)[::-1]
    for number in range(1, len(level) + 1):  # the splits above the water line share what there is
        line = (level[:number].sum() - count) / number
        if number == len(level) or line >= level[number]:
            break
    wanted = np.maximum(lacking - line, 0.0)
    whole: Integers = np.floor(wanted + 1e-9).astype(np.int64)
    rest = count - int(whole.sum())
    whole[np.argsort(-(wanted - whole), kind="stable")[:rest]] += 1
    return whole


def _refuse_absent_labels(codes: Integers, labels: Sequence[str], found: Integers, names: Sequence[str]) -> None:
    table = np.bincount(codes.astype(np.int64) * len(names) + found, minlength=len(labels) * len(names))
    table = table.reshape(len(labels), len(names))
    present = np.flatnonzero(table.sum(axis=1) > 0)
    for code in present[np.argsort(np.unique(codes, return_index=True)[1], kind="stable")].tolist():
        absent = [name for name, rows in zip(names, table[code], strict=True) if rows == 0]
        if absent:
            count = int(table[code].sum())
            raise Refusal(
                f"label '{labels[code]}' has {count} examples with too few different texts, so {' and '.join(absent)} "
                f"would have none; add examples of it, or leave it out with 'minimum_label_count: {count + 1}'"
            )
