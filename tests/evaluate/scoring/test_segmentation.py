from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.evaluate.scoring.segmentation import score_segmenter, score_words
from danlu.refusal import Refusal
from danlu.text.segmenting.segmenter import Segmenter


def spans(words: list[str]) -> set[tuple[int, int]]:
    ends = [sum(map(len, words[: place + 1])) for place in range(len(words))]
    return {(end - len(word), end) for word, end in zip(words, ends, strict=True) if not word.isspace()}


def test_a_known_answer() -> None:
    truth = [["研究", "生命", "的", "起源"], ["好"]]
    found = [["研究生", "命", "的", "起源"], ["好"]]
    scores = score_words(truth, found, {"研究", "的", "好"})
    assert scores.to_plain() == {
        "words": 5,
        "precision": 3 / 5,
        "recall": 3 / 5,
        "f1": 3 / 5,
        "unknown_share": 2 / 5,
        "unknown_recall": 1 / 2,
    }


@given(data=st.data())
def test_scores_are_those_of_sets_of_spans(data: st.DataObject) -> None:
    texts = data.draw(st.lists(st.text("天 气ab", min_size=1, max_size=10), min_size=1, max_size=4))

    def cut(text: str) -> list[str]:
        places = data.draw(st.sets(st.integers(1, len(text))))
        edges = [0, *sorted({place for place in places if place < len(text)}), len(text)]
        return [text[start:end] for start, end in pairwise(edges)]

    truth, found = [cut(text) for text in texts], [cut(text) for text in texts]
    right = sum(len(spans(one) & spans(other)) for one, other in zip(truth, found, strict=True))
    tried, wanted = (sum(len(spans(words)) for words in side) for side in (found, truth))
    if not wanted:
        with pytest.raises(Refusal, match="no words to score"):
            score_words(truth, found)
        return
    scores = score_words(truth, found, set())
    assert scores.recall == right / wanted
    assert scores.unknown_recall == scores.recall
    assert scores.precision == right / max(tried, 1)


def test_another_text_and_no_text_are_refused() -> None:
    with pytest.raises(Refusal, match="sentence 2: the words found do not spell the text"):
        score_words([["好"], ["天"]], [["好"], ["地"]])
    with pytest.raises(Refusal, match="no words to score"):
        score_words([], [])


def test_a_segmenter_is_scored_on_the_text_of_the_words() -> None:
    scores = score_segmenter(Segmenter.model_validate("char"), [["今天", "很", "好", "。"]], {"今天", "很", "好", "。"})
    assert (scores.precision, scores.recall) == (3 / 5, 3 / 4)
    assert scores.unknown_share == 0
    assert scores.unknown_recall is None
