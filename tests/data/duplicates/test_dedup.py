from collections.abc import Callable
from functools import partial
from itertools import combinations
from typing import Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from in_proportion import BOUND, growth

from danlu.data.corpus.survey import in_words, survey
from danlu.data.duplicates.dedup import Clusters, contested, exact_clusters, find_clusters, first_of_each, numbered
from danlu.data.duplicates.minhash import bands_for
from danlu.data.record import Record, opinion_of, truth_of
from danlu.machine.seed import generator


def written_anew(text: str, changes: int, rng: np.random.Generator) -> str:
    """The text with some characters replaced by others."""
    characters = list(text)
    for place in rng.choice(len(text), changes, replace=False):
        characters[place] = chr(int(rng.integers(0x4E00, 0x9FA5)))
    return "".join(characters)


def conflicting(records: list[Record], exact: np.ndarray) -> np.ndarray:
    """Whether each record's text comes with more than one truth."""
    return contested(numbered(map(truth_of, records)), exact)


def kept(records: list[Record], clusters: Clusters, how: Literal["none", "exact", "near"] = "near") -> list[int]:
    """The rows that stay where contested texts go."""
    rows = np.flatnonzero(~conflicting(records, clusters.exact))
    return first_of_each(rows, clusters, how, numbered(map(opinion_of, records))).tolist()


def families(count: int, rng: np.random.Generator) -> list[str]:
    """Texts of 60 characters, each followed by three that differ in one to six of them."""
    texts = []
    for _ in range(count):
        first = "".join(map(chr, rng.integers(0x4E00, 0x4E00 + 800, 60)))
        texts += [first, *(written_anew(first, changes, rng) for changes in (1, 3, 6))]
    return texts


Similarities = Callable[[list[str], list[tuple[int, int]]], list[float]]
Pairs = list[tuple[tuple[int, int], float]]
"""Rows of two texts, and how alike they are."""


def every_pair(texts: list[str], similarities: Similarities) -> Pairs:
    pairs = list(combinations(range(len(texts)), 2))
    return list(zip(pairs, similarities(texts, pairs), strict=True))


def connected(count: int, pairs: Pairs, similarity: float) -> list[int]:
    """The clusters by the definition: the least member of each connected part."""
    cluster = list(range(count))
    for (a, b), found in pairs:
        if found >= similarity and cluster[a] != cluster[b]:
            low, high = sorted((cluster[a], cluster[b]))
            cluster = [low if name == high else name for name in cluster]
    return cluster


def test_near_clusters_are_those_of_comparing_every_pair(similarities_by_hand: Similarities) -> None:
    texts = families(100, generator("dedup"))
    pairs = every_pair(texts, similarities_by_hand)
    for similarity in (0.5, 0.7, 0.8, 0.9):
        expected = connected(len(texts), pairs, similarity)
        assert find_clusters(texts, similarity).near.tolist() == expected, similarity


@given(texts=st.lists(st.text("ab好，Ａ ", max_size=6), max_size=12))
def test_short_and_empty_texts_are_clustered_by_the_definition_too(
    texts: list[str], similarities_by_hand: Similarities
) -> None:
    found = find_clusters(texts).near
    assert found.tolist() == connected(len(texts), every_pair(texts, similarities_by_hand), 0.8)
    assert (found <= np.arange(len(texts))).all()
    assert (found[found] == found).all()


def test_english_texts_that_differ_at_the_end_are_alike_and_unrelated_ones_are_not() -> None:
    texts = ["a very good movie", "A very good movie .", "a very bad movie", "型号是12345", "型号是12399"]
    assert find_clusters(texts).near.tolist() == [0, 0, 2, 3, 4]
    rng = generator("english")
    words = ["".join(map(chr, rng.integers(0x61, 0x6B, int(rng.integers(2, 8))))) for _ in range(500)]
    long = [" ".join(words[place] for place in rng.integers(0, 500, 2000).tolist()) for _ in range(2)]
    three = [{text[i : i + 3] for i in range(len(text) - 2)} for text in long]
    assert len(three[0] & three[1]) / len(three[0] | three[1]) > 0.7
    assert find_clusters(long, 0.5).near.tolist() == [0, 1]


def test_case_width_and_white_space_make_near_but_not_exact_duplicates() -> None:
    clusters = find_clusters(["Good ＡＢＣ 好", " Good ＡＢＣ 好\n", "good abc好", "other"])
    assert clusters.exact.tolist() == [0, 0, 2, 3]
    assert clusters.near.tolist() == [0, 0, 0, 3]


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8, 0.95, 1.0])
def test_bands_miss_few_pairs_at_the_threshold(similarity: float) -> None:
    bands, rows = bands_for(similarity)
    assert bands * rows <= 128
    assert (1 - similarity**rows) ** bands < (0.003 if similarity == 0.3 else 0.001001)


def test_crowded_bands_are_still_joined() -> None:
    texts = [f"这家酒店的位置很好，早餐也很丰富，服务员态度热情，下次还会再来住的，房间号是{n}" for n in range(500)]
    assert set(find_clusters(texts, 0.75).near.tolist()) == {0}


def test_short_texts_take_time_in_proportion() -> None:
    rng = generator("speed")
    characters = rng.integers(0x4E00, 0x4E00 + 3000, (40_000, 40)).astype("<u4")
    texts = [row.tobytes().decode("utf-32-le") for row in characters]
    assert len(set(find_clusters(texts).near.tolist())) == 40_000
    assert growth(partial(find_clusters, texts[:10_000]), partial(find_clusters, texts)) < BOUND


TEMPLATES = {
    "one number": "订单{n}已经发货，请注意查收",
    "english": "Your parcel {n} has left the depot, thank you",
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
def test_texts_of_one_template_take_time_in_proportion(template: str) -> None:
    texts = [template.format(n=n * 7919) for n in range(4000)]
    assert growth(partial(find_clusters, texts[:1000]), partial(find_clusters, texts)) < BOUND  # 13 where all meet


def test_like_texts_among_those_of_a_template_are_found_and_what_was_not_compared_is_told() -> None:
    texts = [f"订单{n * 7919}已经发货，请注意查收包裹{end}" for end in ("", "！", "。") for n in range(500)]
    found = find_clusters(texts)
    assert [len(set(found.near[n::500].tolist())) for n in range(500)].count(1) > 490
    assert 0 < found.uncompared <= len(texts)
    assert find_clusters(texts[:20]).uncompared == 0


def test_texts_that_differ_in_a_not_are_kept_with_their_labels() -> None:
    good = "这家酒店的位置很好，早餐也很丰富，服务员态度热情，下次我们一家人还会再来住的"
    records = [
        {"text": good, "label": "pos"},
        {"text": good.replace("还会", "不会"), "label": "neg"},
        {"text": good + "！", "label": "pos"},
        {"text": good + "。"},
        {"text": good + "？", "labels": ["a", "b"]},
        {"text": good + "；", "labels": ["b", "a"]},
    ]
    clusters = find_clusters([record["text"] for record in records])
    assert set(clusters.near.tolist()) == {0}
    assert kept(records, clusters) == [0, 1, 4]
    found = survey(records, clusters, generator(0))
    assert (found.conflicting_rows, found.contrasting_rows) == (0, 5)
    assert "5 rows are like another with another label, and are kept" in in_words(found)


def test_a_text_without_a_label_contradicts_nothing_and_repeats_one_that_has_a_label() -> None:
    records = [{"text": "好"}, {"text": "好", "label": "pos"}, {"text": "好"}, {"text": "坏"}, {"text": "坏"}]
    clusters = find_clusters([record["text"] for record in records])
    assert not conflicting(records, clusters.exact).any()
    assert kept(records, clusters) == [1, 3]


def test_the_first_of_a_cluster_stays_and_contested_texts_go() -> None:
    long = "这家酒店的位置很好，早餐也很丰富，服务员态度热情，下次还会再来住的"
    records = [
        {"text": "好", "label": "pos"},
        {"text": "差", "label": "neg"},
        {"text": "好 ", "label": "neg"},
        {"text": "差", "label": "neg"},
        {"text": long, "label": "pos"},
        {"text": long + "！", "label": "pos"},
    ]
    clusters = find_clusters([record["text"] for record in records])
    assert conflicting(records, clusters.exact).tolist() == [True, False, True, False, False, False]
    assert kept(records, clusters) == [1, 4]
    assert kept(records, clusters, "exact") == [1, 4, 5]
    assert kept(records, clusters, "none") == [1, 3, 4, 5]
    everything = np.arange(len(records))
    opinions = numbered(map(opinion_of, records))
    assert first_of_each(everything, clusters, "near", opinions).tolist() == [0, 1, 2, 4]


def test_entities_may_conflict_too() -> None:
    place = [{"start": 0, "end": 2, "label": "LOC"}]
    records = [
        {"text": "北京", "entities": place},
        {"text": "北京", "entities": []},
        {"text": "上海", "entities": place},
    ]
    assert conflicting(records, exact_clusters(["北京", "北京", "上海"])).tolist() == [True, True, False]


def test_clusters_are_apart_by_what_is_asked_and_named_by_their_first_row() -> None:
    clusters = Clusters(np.array([0, 0, 2, 0, 2]), np.array([0, 0, 0, 0, 0]), 7)
    apart = clusters.apart(numbered(["x", "y", None, "x", None]))
    assert (apart.exact.tolist(), apart.near.tolist(), apart.uncompared) == ([0, 1, 2, 0, 2], [0, 1, 2, 0, 2], 7)
    assert clusters.apart(np.zeros(5, np.int64)) is clusters
