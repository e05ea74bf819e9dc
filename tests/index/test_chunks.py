"""Passages: every character in one, borders where a reader would have them."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from danlu.data.characters.clusters import goes_on
from danlu.data.characters.side_by_side import characters
from danlu.index.chunks import OVERLAP, SIZE, chunks

TEXTS = st.text(st.sampled_from("今天好。！，a b.\n\n# 第二章é̀👨‍👩‍👧\f"), max_size=400)


def width(text: str) -> int:
    return sum(2 if sign in "今天好。！，第二章字" else 1 for sign in text)


@given(TEXTS, st.integers(16, 90), st.integers(0, 8))
@example("á̀" * 300, 20, 4)
@example("a" + "̀" * 200, 16, 4)
@example("字" * 200, 17, 8)
def test_every_character_stands_in_a_passage_and_none_is_too_wide(text: str, size: int, overlap: int) -> None:
    found = chunks(text, size, overlap)
    if not text:
        assert found == []
        return
    assert found[0][0] == 0
    assert found[-1][1] == len(text)
    for start, end in found:
        assert start < end
        assert width(text[start:end]) <= size
    for (first, end), (second, next_end) in pairwise(found):
        assert first < second <= end < next_end
        assert width(text[second:end]) <= overlap


@given(st.lists(st.sampled_from(["今", "好", "a", " ", "é", "👨‍👩‍👧", "。"]), max_size=120))
def test_no_passage_parts_what_a_reader_takes_for_one_character(signs: list[str]) -> None:
    text = "".join(signs)
    inside = goes_on(characters([text])) if text else []
    for start, _ in chunks(text, 24, 6):
        assert not inside[start]


def test_passages_end_where_paragraphs_do_and_begin_with_a_heading() -> None:
    paragraphs = [f"这是第{number}段的第一句话。" + "这里还有一句很平常的话。" * 12 for number in range(6)]
    text = "\n\n".join(paragraphs)
    assert [text[start:end].strip() for start, end in chunks(text, 400, 80)] == paragraphs
    text = "First lines of a text. " * 24 + "\n# A heading\n" + "More lines of the text. " * 20
    assert [text[start:end].splitlines()[0][:9] for start, end in chunks(text)] == ["First lin", "# A headi"]


def test_within_a_paragraph_whole_sentences_stand_in_both_passages() -> None:
    text = "".join(f"Sentence {number} says something of its own. " for number in range(60))
    found = chunks(text)
    assert len(found) > 2
    for start, end in found:
        assert text[start:].startswith("Sentence ")
        assert text[start:end].rstrip().endswith(".")
    for (_, end), (second, _) in pairwise(found):
        assert 0 < end - second <= OVERLAP


def test_a_page_is_a_border_like_a_paragraph() -> None:
    text = "Words of page one. " * 30 + "\f" + "Words of page two. " * 30
    (_, end), (start, _) = chunks(text)
    assert text[end - 1] == "\f"
    assert start == end


@pytest.mark.parametrize("text", ["今天天气很好。", "a" * SIZE])
def test_a_short_text_is_one_passage(text: str) -> None:
    assert chunks(text) == [(0, len(text))]


def test_long_texts_take_time_in_proportion() -> None:
    text = "没有标点的一段很长很长的文字" * 20_000
    found = chunks(text)
    assert len(found) == pytest.approx(len(text) / 400, rel=0.1)
