from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.text.batching.align import joined, label_tokens, spans_of, touched, without_space
from danlu.text.batching.windows import windows
from danlu.text.tokenizing.tokenizers.bpe import Bpe
from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

SOURCE = ["李白生于碎叶城, near Suyab.", "The old man and the sea", "naïve café 🙂 龘"]


def borders(*pairs):
    return np.array(pairs, np.int32).reshape(-1, 2)


@st.composite
def tokens_and_spans(draw):
    """Borders of tokens, gaps between some, and spans that begin and end at these borders."""
    lengths = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 4)), min_size=1, max_size=20))
    ends = np.cumsum([gap + length for gap, length in lengths])
    offsets = np.stack([ends - [length for _, length in lengths], ends], 1).astype(np.int32)
    cuts = sorted(draw(st.sets(st.integers(0, len(offsets)), max_size=10)))
    pairs = list(pairwise(cuts))[::2]
    spans = [(int(offsets[a, 0]), int(offsets[b - 1, 1]), draw(st.integers(0, 2))) for a, b in pairs]
    return offsets, spans


@given(tokens_and_spans(), st.lists(st.tuples(st.integers(0, 60), st.integers(1, 9)), max_size=5))
def test_a_span_touches_the_tokens_that_share_a_character_with_it(case, drawn):
    offsets, _ = case
    spans = [(start, start + length, "any") for start, length in drawn]
    for (start, end, _), (first, stop) in zip(spans, touched(spans, offsets), strict=True):
        shared = [set(range(start, end)) & set(range(left, right)) for left, right in offsets.tolist()]
        assert list(range(first, stop)) == [token for token, characters in enumerate(shared) if characters]


@given(tokens_and_spans())
def test_spans_at_token_borders_come_back_as_they_were(case):
    offsets, spans = case
    classes, inexact = label_tokens(spans, offsets)
    assert inexact == 0
    assert [span for span, _ in spans_of(classes, offsets)] == spans


@given(tokens_and_spans(), st.sets(st.integers(0, 30), max_size=6))
def test_tokens_without_characters_change_nothing(case, places):
    offsets, spans = case
    for place in sorted(places):
        at = min(place, len(offsets))
        offsets = np.insert(offsets, at, offsets[at, 0] if at < len(offsets) else offsets[-1, 1], axis=0)
    classes, inexact = label_tokens(spans, offsets)
    assert inexact == 0
    assert ((classes == -100) == (offsets[:, 0] == offsets[:, 1])).all()
    assert [span for span, _ in spans_of(classes, offsets)] == spans


def test_a_span_that_cuts_a_token_is_widened_and_counted():
    offsets = borders((0, 3), (3, 6), (6, 9))
    classes, inexact = label_tokens([(1, 5, 0)], offsets)
    assert (classes.tolist(), inexact) == ([1, 2, 0], 1)
    assert spans_of(classes, offsets)[0][0] == (0, 6, 0)


def test_of_two_spans_in_one_token_the_earlier_has_it_and_the_other_is_counted():
    assert label_tokens([(0, 1, 0), (2, 3, 1)], borders((0, 3)))[1] == 2
    classes, inexact = label_tokens([(0, 1, 0), (2, 5, 1)], borders((0, 3), (3, 5)))
    assert (classes.tolist(), inexact) == ([1, 3], 2)


def test_neighbouring_spans_of_one_type_stay_two():
    offsets = borders((0, 1), (1, 2), (2, 3))
    classes, _ = label_tokens([(0, 1, 0), (1, 3, 0)], offsets)
    assert classes.tolist() == [1, 1, 2]
    assert [span for span, _ in spans_of(classes, offsets)] == [(0, 1, 0), (1, 3, 0)]


def test_a_span_under_no_token_is_counted():
    assert label_tokens([(3, 5, 0)], borders((0, 3), (5, 8))) == (pytest.approx([0, 0]), 1)


def test_a_window_goes_on_with_a_span_that_began_before_it():
    offsets = borders((10, 12), (12, 14))
    assert label_tokens([(8, 12, 0), (13, 20, 1), (0, 3, 0)], offsets, window=True)[0].tolist() == [2, 3]
    assert label_tokens([(8, 12, 0), (12, 20, 1), (0, 3, 0)], offsets, window=True)[1] == 0


def test_what_goes_on_with_nothing_begins_a_span():
    offsets = borders((0, 1), (1, 2), (2, 3))
    classes = np.array([2, 4, 4], np.int32)
    assert [span for span, _ in spans_of(classes, offsets)] == [(0, 1, 0), (1, 3, 1)]


def test_white_space_at_the_ends_of_tokens_does_not_count():
    text = "a big  cat "
    assert without_space(borders((0, 0), (0, 1), (1, 5), (5, 7), (6, 11)), text).tolist() == [
        [0, 0],
        [0, 1],
        [2, 5],
        [5, 7],
        [7, 10],
    ]


@cache
def tokenizer(kind):
    source = WordPiece(size=120, min_frequency=1) if kind == "wordpiece" else Bpe(size=280)
    return source.build(lambda: iter(SOURCE * 3))


@pytest.mark.parametrize("kind", ["wordpiece", "bpe"])
@pytest.mark.parametrize("text", SOURCE)
def test_every_word_comes_back_through_a_real_tokenizer(kind, text):
    [row] = windows([text], tokenizer(kind), 512, "stop", offsets=True)
    offsets = without_space(row.row.offsets, text)
    for word in text.replace(",", " ,").replace(".", " .").split():
        start = text.index(word)
        classes, inexact = label_tokens([(start, start + len(word), 0)], offsets)
        assert inexact == 0
        assert [span for span, _ in spans_of(classes, offsets)] == [(start, start + len(word), 0)]


def test_a_character_of_several_tokens_is_one_span():
    [row] = windows(["a龘b"], tokenizer("bpe"), 512, "stop", offsets=True)
    assert (row.row.offsets == [1, 2]).all(1).sum() > 1
    classes, _ = label_tokens([(1, 2, 0)], row.row.offsets)
    assert spans_of(classes, row.row.offsets)[0][0] == (1, 2, 0)


def test_tokens_are_joined_with_spaces_only_where_the_script_has_them():
    text, offsets = joined(["我", "爱", "New", "York", "，", "真", "的"])
    assert text == "我爱New York，真的"
    assert [text[start:end] for start, end in offsets] == ["我", "爱", "New", "York", "，", "真", "的"]
    for tokens in (["ฉัน", "ไป", "โรงเรียน"], ["မြန်မာ", "စာ"], ["𠮷", "野", "𠀀"]):
        assert joined(tokens)[0] == "".join(tokens)
    assert joined(["naïve", "Привет", "नमस्ते", "مرحبا"])[0] == "naïve Привет नमस्ते مرحبا"


@given(st.lists(st.text(st.characters(codec="utf-8"), min_size=1, max_size=5), max_size=10))
def test_joined_tokens_are_found_where_it_says(tokens):
    text, offsets = joined(tokens)
    assert [text[start:end] for start, end in offsets] == tokens
