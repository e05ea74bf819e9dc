from functools import partial
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_proportion import BOUND, growth

from danlu.data.splitting.split import split, split_by_time
from danlu.machine.seed import generator
from danlu.refusal import Refusal

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}

clustered = st.lists(st.integers(0, 40), min_size=60, max_size=300).map(
    lambda drawn: np.array([drawn.index(name) for name in drawn])
)


@given(clustered, st.integers(0, 5))
def test_every_row_is_dealt_once_no_cluster_crosses_and_shares_are_met(clusters: np.ndarray, seed: int) -> None:
    if len(set(clusters.tolist())) < 3:
        return
    found = split(clusters, SHARES, generator(seed))
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(len(clusters)))
    owners = [set(clusters[rows].tolist()) for rows in found.values()]
    assert sum(map(len, owners)) == len(set.union(*owners))
    largest = np.bincount(clusters).max()
    for name, rows in found.items():
        assert abs(len(rows) - SHARES[name] * len(clusters)) <= largest + 1


@given(st.lists(st.sampled_from("abc"), min_size=60, max_size=400), st.integers(0, 5))
def test_labels_keep_their_shares_in_every_split(labels: list[str], seed: int) -> None:
    if min(map(labels.count, set(labels))) < 10:
        return
    names, codes = np.unique(labels, return_inverse=True)
    found = split(np.arange(len(labels)), SHARES, generator(seed), codes, names.tolist())
    for name, rows in found.items():
        assert abs(len(rows) - SHARES[name] * len(labels)) <= 2
        for label in set(labels):
            here = sum(labels[row] == label for row in rows)
            assert abs(here - SHARES[name] * labels.count(label)) <= 3
            assert here > 0


def test_the_seed_alone_decides() -> None:
    clusters = np.arange(500)
    once, again, other = (split(clusters, SHARES, generator(seed))["test"].tolist() for seed in (1, 1, 2))
    assert once == again
    assert once != other


def test_a_rare_label_still_occurs_in_every_split() -> None:
    labels = ["a"] * 100 + ["b"] * 3
    found = split(np.arange(103), SHARES, generator(0), np.arange(103) // 100, ["a", "b"])
    assert [sum(labels[row] == "b" for row in rows) for rows in found.values()] == [1, 1, 1]


def test_a_label_that_would_be_absent_from_a_split_is_refused_with_the_remedy() -> None:
    clusters = np.array([*range(50), 50, 50, 50, 50])
    with pytest.raises(
        Refusal, match=r"label 'b' has 4 examples .* so validation and test would have none; .*count: 5'"
    ):
        split(clusters, SHARES, generator(0), np.arange(54) // 50, ["a", "b"])


def test_too_few_texts_are_refused_and_a_share_of_nothing_is_left_out() -> None:
    with pytest.raises(Refusal, match="2 different texts cannot be split into train, validation, test"):
        split(np.array([0, 0, 2]), SHARES, generator(0))
    assert list(split(np.arange(3), {"train": 1.0, "test": 0.0}, generator(0))) == ["train"]


@given(clustered, st.integers(0, 5))
def test_by_time_no_cluster_crosses_and_later_splits_begin_later(clusters: np.ndarray, seed: int) -> None:
    if len(set(clusters.tolist())) < 3:
        return
    times = generator(seed).integers(0, 50, len(clusters)).astype(float)
    found = split_by_time(clusters, SHARES, times)
    assert sorted(np.concatenate(list(found.values())).tolist()) == list(range(len(clusters)))
    owners = [set(clusters[rows].tolist()) for rows in found.values()]
    assert all(owners)
    assert sum(map(len, owners)) == len(set.union(*owners))
    begins = [sorted(min(times[clusters == name]) for name in names) for names in owners]
    assert begins[0][-1] <= begins[1][0]
    assert begins[1][-1] <= begins[2][0]


def test_by_time_a_large_cluster_passes_over_no_split() -> None:
    clusters = np.repeat(np.arange(4), [40, 52, 4, 4])
    assert [len(rows) for rows in split_by_time(clusters, SHARES, clusters.astype(float)).values()] == [92, 4, 4]


@given(st.lists(st.integers(1, 60), min_size=3, max_size=9), st.randoms())
def test_by_time_every_split_has_records_however_large_the_clusters(sizes: list[int], chance: Any) -> None:
    clusters = np.repeat(np.arange(len(sizes)), sizes)
    times = np.array([chance.random() for _ in clusters])
    assert all(len(rows) for rows in split_by_time(clusters, SHARES, times).values())


def test_by_time_shares_are_met() -> None:
    found = split_by_time(np.arange(1000), SHARES, generator(0).permutation(1000).astype(float))
    assert [len(rows) for rows in found.values()] == [800, 100, 100]


def test_many_rows_are_dealt_in_time_in_proportion() -> None:
    def dealt(count: int) -> None:
        rows = np.arange(count) // 2
        found = split(rows * 2, SHARES, generator(0), rows % 5, list("abcde"))
        assert abs(len(found["test"]) - count // 10) < 10

    assert growth(partial(dealt, 200_000), partial(dealt, 800_000)) < BOUND
