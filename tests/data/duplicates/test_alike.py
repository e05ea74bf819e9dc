from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.duplicates.alike import Forest, join_equal, similarities
from danlu.data.duplicates.folded import folded
from danlu.data.duplicates.minhash import band_keys, bands_for
from danlu.machine.seed import generator

Similarities = Callable[[list[str], list[tuple[int, int]]], list[float]]

pairs = st.lists(st.tuples(st.integers(0, 19), st.integers(0, 19)), max_size=30)


@given(pairs, pairs)
def test_joined_rows_are_the_connected_parts_named_by_their_first_row(
    first: list[tuple[int, int]], second: list[tuple[int, int]]
) -> None:
    forest = Forest(np.arange(20, dtype=np.int32))
    for batch in (first, second):
        if batch:
            forest.join(np.array(batch))
    names = list(range(20))
    for a, b in first + second:
        low, high = sorted((names[a], names[b]))
        names = [low if name == high else name for name in names]
    assert forest.clusters().tolist() == names


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30))
def test_rows_of_equal_keys_are_one_cluster(keys: list[int]) -> None:
    rows = np.arange(len(keys)) * 2
    wide = np.stack([np.zeros(len(keys), np.uint64), np.array(keys, np.uint64)], axis=1)
    for given_keys in (np.array(keys, np.uint64), wide):
        forest = Forest(np.arange(2 * len(keys)))
        join_equal(forest, given_keys, rows)
        assert forest.clusters()[rows].tolist() == [2 * keys.index(key) for key in keys]


@given(texts=st.lists(st.text("abc好的了， A", max_size=30), min_size=2, max_size=6))
def test_similarities_are_those_of_the_sets_of_shingles(texts: list[str], similarities_by_hand: Similarities) -> None:
    every = np.array([(a, b) for a in range(len(texts)) for b in range(len(texts))])
    assert np.allclose(similarities(texts, every), similarities_by_hand(texts, every.tolist()))


def test_long_texts_are_compared_across_the_blocks_they_are_hashed_in(similarities_by_hand: Similarities) -> None:
    rng = generator("long")
    characters = rng.integers(0x61, 0x7B, 300_000).astype("<u4")
    changed = characters.copy()
    changed[rng.choice(len(changed), 300, replace=False)] = 0x597D
    texts = [part.tobytes().decode("utf-32-le") for part in (characters, changed, characters[:150_000])]
    every = np.array([(0, 1), (0, 2), (1, 2)])
    assert np.allclose(similarities(texts, every), similarities_by_hand(texts, every.tolist()))


def test_pairs_of_all_lengths_share_a_key_as_often_as_banding_promises(similarities_by_hand: Similarities) -> None:
    rng = generator("recall")
    bands, rows = bands_for(0.8)
    for length in (20, 60, 200, 1000):
        texts = []
        for _ in range(400):
            first = rng.integers(0x4E00, 0x9FA5, length)
            second = first.copy()
            second[: length // 16] = rng.integers(0x4E00, 0x9FA5, length // 16)  # one change at the end of a run
            texts += ["".join(map(chr, first)), "".join(map(chr, second))]
        wanted = similarities_by_hand(texts, [(row, row + 1) for row in range(0, len(texts), 2)])
        keys = band_keys(folded(texts), 0.8)
        found = (keys[:, ::2] == keys[:, 1::2]).any(axis=0).mean()
        promised = np.mean([1 - (1 - similarity**rows) ** bands for similarity in wanted])
        assert found >= promised - 0.01
