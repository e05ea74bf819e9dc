"""Records dealt out to train, validation and test, so that nothing alike stands on both sides."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.refusal import Refusal

Rows = NDArray[np.int64]


def split(
    clusters: Rows, shares: Mapping[str, float], rng: np.random.Generator, labels: Sequence[str] | None = None
) -> dict[str, Rows]:
    """Deal N rows out by shares, whole clusters at a time, each label by itself: positions by split, ascending.

    - `clusters`: (N,), rows of one number stay together.
    - `shares`: of every split, summing to one; a split without a share is left out.
    - `labels`: of every row; every label then occurs in every split.

    Raises:
        Refusal: there are fewer clusters than splits, or a label has too few to occur in every split.
    """
    names = [name for name, share in shares.items() if share > 0]
    sizes = Counter(clusters.tolist())
    if len(sizes) < len(names):
        raise Refusal(
            f"{len(sizes)} different texts cannot be split into {', '.join(names)}; "
            "give more data, or set the share of a split to 0"
        )
    members: dict[str, list[int]] = {}
    for cluster, label in _label_of_cluster(clusters, labels).items():
        members.setdefault(label, []).append(cluster)
    split_of_cluster: dict[int, str] = {}
    lacking = dict.fromkeys(names, 0.0)
    for label in sorted(members):
        shuffled = [members[label][place] for place in rng.permutation(len(members[label]))]
        shuffled.sort(key=lambda cluster: -sizes[cluster])
        for name in names:
            lacking[name] += shares[name] * sum(sizes[cluster] for cluster in shuffled)
        split_of_cluster |= _dealt(shuffled, sizes, lacking)
    splits = [split_of_cluster[cluster] for cluster in clusters.tolist()]
    if labels is not None:
        _refuse_absent_labels(labels, splits, names)
    return {name: np.flatnonzero(np.array([given == name for given in splits])) for name in names}


def _label_of_cluster(clusters: Rows, labels: Sequence[str] | None) -> dict[int, str]:
    """The label that most rows of a cluster have, the first of them on a tie; nothing without labels."""
    if labels is None:
        return dict.fromkeys(clusters.tolist(), "")
    counts: dict[int, Counter[str]] = {}
    for cluster, label in zip(clusters.tolist(), labels, strict=True):
        counts.setdefault(cluster, Counter())[label] += 1
    return {cluster: count.most_common(1)[0][0] for cluster, count in counts.items()}


def _dealt(ordered: Sequence[int], sizes: Mapping[int, int], lacking: dict[str, float]) -> dict[int, str]:
    """Give each cluster, the largest first, to the split that lacks most rows; counts `lacking` down.

    A split that is left without any then gets the smallest of the split that has most.
    """
    dealt: dict[str, list[int]] = {name: [] for name in lacking}
    for cluster in ordered:
        name = max(lacking, key=lambda name: lacking[name])
        dealt[name].append(cluster)
        lacking[name] -= sizes[cluster]
    for name, given in dealt.items():
        if given:
            continue
        donor, most = max(dealt.items(), key=lambda item: len(item[1]))
        if len(most) > 1:
            given.append(most.pop())
            lacking[name] -= sizes[given[0]]
            lacking[donor] += sizes[given[0]]
    return {cluster: name for name, given in dealt.items() for cluster in given}


def _refuse_absent_labels(labels: Sequence[str], splits: Sequence[str], names: Sequence[str]) -> None:
    counts = Counter(labels)
    present = set(zip(labels, splits, strict=True))
    for label, count in counts.items():
        absent = [name for name in names if (label, name) not in present]
        if absent:
            raise Refusal(
                f"label '{label}' has {count} examples with too few different texts, so {' and '.join(absent)} would "
                f"have none; add examples of it, or leave it out with 'minimum_label_count: {count + 1}'"
            )
