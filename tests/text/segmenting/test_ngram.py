import numpy as np
import pytest
from hypothesis import given as given_texts
from hypothesis import strategies as st

from danlu.data.characters.side_by_side import characters
from danlu.text.segmenting.segmenter import open_segmenter, save
from danlu.text.segmenting.segmenters.ngram import Ngram
from danlu.text.segmenting.word_borders import begins_of, words_at

SENTENCES = [
    ["今天", "天气", "很", "好", "，"],
    ["我们", "今天", "去", "公园", "散步", "。"],
    ["北京", "的", "天气", "好", "，", "公园", "也", "好", "。"],
] * 20


@pytest.fixture(scope="module")
def ngram(tmp_path_factory: pytest.TempPathFactory) -> Ngram:
    folder = tmp_path_factory.mktemp("ngram") / "segmenter"
    save(folder, Ngram(), SENTENCES)
    found = open_segmenter(folder)
    assert isinstance(found, Ngram)
    return found


def test_a_second_opinion_finds_words_that_were_never_seen_and_a_doubt_does_not_part_known_ones(ngram: Ngram) -> None:
    words = ["我们", "去", "囧犇垚", "公园", "。"]
    given = characters(["".join(words)])
    truth = begins_of([words])
    assert (ngram.begins(given) != truth).any()
    assert (ngram.begins_with(given, np.where(truth, 0.999, 0.001)) == truth).all()
    wrong = np.where(begins_of([["我", "们去", "囧犇垚", "公园", "。"]]), 0.7, 0.3)
    assert ngram.begins_with(given, wrong)[:3].tolist() == [True, False, True]


@given_texts(
    texts=st.lists(
        st.text(st.characters(exclude_categories=()) | st.sampled_from("今天气很好，。１a \n"), max_size=40)
    ),
    seed=st.integers(0, 99),
)
def test_no_second_opinion_loses_a_character(ngram: Ngram, texts: list[str], seed: int) -> None:
    given = characters(texts)
    shares = np.random.default_rng(seed).random(len(given.codes))
    assert ["".join(words) for words in words_at(given, ngram.begins_with(given, shares))] == texts
