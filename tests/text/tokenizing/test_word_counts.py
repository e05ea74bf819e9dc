from collections import Counter

import numpy as np
import regex
from hypothesis import given
from hypothesis import strategies as st

from danlu.text.tokenizing import word_counts
from danlu.text.tokenizing.word_counts import (
    CHARACTERS,
    SUBWORDS,
    UNSPACED_SCRIPTS,
    WHOLE_WORDS,
    Cut,
    count_segmented,
    count_words,
    meals,
)

MIXED = st.lists(st.text("今天气很好かのabéЖ12３ ，.,!\n\t\u0301", max_size=40), max_size=5)


def counted(found):
    return {word: count for word, count in zip(found.words, found.counts.tolist(), strict=True) if word.strip()}


def by_expression(expression, texts):
    return Counter(word for text in texts for word in regex.findall(expression, text) if word.strip())


@given(MIXED, st.integers(1, 5))
def test_words_are_those_of_the_expression_that_the_tokenizer_splits_by(texts, run):
    bounded = SUBWORDS.replace(f"[{UNSPACED_SCRIPTS}]+", f"[{UNSPACED_SCRIPTS}]{{1,{run}}}", 1)
    bounded = bounded.replace("]+|", "]{1,32}|", 1)
    bounded = bounded.replace(r"[\p{P}\p{S}]+", r"[\p{P}\p{S}]{1,16}")
    assert counted(count_words(texts, Cut.subwords("runs", run))) == by_expression(bounded, texts)


@given(st.lists(st.text("今天かのไปก่อนabé 12，.", max_size=40), max_size=5))
def test_characters_are_those_of_the_expression_that_cuts_them(texts):
    bounded = CHARACTERS.replace("]+|", "]{1,6}|", 1).replace(r"[\p{P}\p{S}]+", r"[\p{P}\p{S}]{1,16}")
    assert counted(count_words(texts, Cut.subwords("characters"))) == by_expression(bounded, texts)


@given(MIXED)
def test_whole_words_are_those_of_their_expression(texts):
    split = [part for text in texts for part in text.split()]
    assert counted(count_words(texts, Cut.whole_words())) == by_expression(WHOLE_WORDS, split)


@given(MIXED)
def test_characters_are_counted_exactly_and_no_word_is_lost_within_the_budget(texts):
    found = count_words(texts, Cut.subwords())
    assert found.characters == Counter("".join(texts))
    assert found.kept == (1.0 if any(texts) else 0.0)
    assert sum(len(word) * count for word, count in zip(found.words, found.counts.tolist(), strict=True)) == sum(
        map(len, texts)
    )


def test_a_block_is_no_border_that_can_be_seen(monkeypatch):
    texts = ["今天天气很好，我们 walk in the park 2024", "", "很好"] * 20
    whole = count_words(texts, Cut.subwords())
    monkeypatch.setattr(word_counts, "BLOCK", 64)
    cut = count_words(texts, Cut.subwords())
    assert (cut.words, cut.counts.tolist()) == (whole.words, whole.counts.tolist())


def test_what_is_frequent_survives_a_small_budget_and_memory_does_not_grow():
    rng = np.random.default_rng(0)
    noise = ["".join(map(chr, row)) for row in rng.integers(0x4E00, 0x9FFF, (6000, 60)).tolist()]  # 1 MB, all distinct
    texts = [text for number in range(6000) for text in (noise[number], "的的，"[: 2 + number % 2])]
    found = count_words(texts, Cut.subwords(), budget=30_000)
    assert sum(len(word.encode()) for word in found.words) <= 30_000
    assert 0 < found.kept < 0.2
    assert found.words[0] == "的的"
    assert found.counts[0] == 6000
    assert sum(found.characters.values()) == sum(map(len, texts))
    again = count_words(iter(texts), Cut.subwords(), budget=30_000)
    assert (again.words, again.counts.tolist()) == (found.words, found.counts.tolist())


def test_words_of_a_segmenter_are_counted_as_they_are():
    found = count_segmented(iter([[["今天", " ", "天气"], []], [["今天", "\ud800"]]]))
    assert counted(found) == {"今天": 2, "天气": 1, "?": 1}
    assert found.characters["天"] == 3


@given(st.dictionaries(st.text("ab今", min_size=1, max_size=4), st.integers(1, 3000), max_size=8))
def test_meals_hold_each_word_as_often_as_counted(words):
    fed = list(meals([*words], np.array([*words.values()], np.int64)))
    assert Counter("".join(fed).split("\0")[:-1]) == words
    assert all(len(meal) < 2 * word_counts.MEAL for meal in fed)
    assert all(meal.endswith("\0") for meal in fed)


def test_huge_counts_are_made_smaller_in_proportion(monkeypatch):
    monkeypatch.setattr(word_counts, "FED", 1500)
    fed = "".join(meals(["a", "b", "c"], np.array([8000, 4000, 1], np.int64)))
    assert Counter(fed.split("\0")[:-1]) == {"a": 1000, "b": 500, "c": 1}
