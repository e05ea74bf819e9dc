"""Grapheme clusters, compared with those of the package regex."""

from itertools import accumulate

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from danlu.data.characters.clusters import goes_on
from danlu.data.characters.side_by_side import characters
from danlu.data.characters.word_cutting import atoms, word_borders

PIECES = st.sampled_from(
    [
        "👩", "\u200d", "👧", "🏽", "👍", "🇨", "🇳", "🇺", "\ufe0f", "\u20e3", "1", "e", "\u0301", "\u0323", "\r", "\n",
        " ", "天",
        "\u3099", "か", "ﾞ", "ｶ", "\U000e0100", "\U000e0067", "🏴", "\U000e007f", "\u1100", "\u1161", "\u11a8",
        "가", "각", "\ua960", "क", "\u094d", "\u093e", "ষ", "\u09cd", "\u0600", "م", "ก", "\u0e33", "\u0e48", "က",
        "\u1039", "ក", "\u17d2", "ா", "@", ".", "-", "//", ":", "a", "❤", "❤\ufe0f", "\u200c",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES, max_size=14).map("".join) | st.text(max_size=12)


def ends_of_clusters(text: str) -> set[int]:
    return {0, *accumulate(map(len, regex.findall(r"\X", text)))}


@settings(max_examples=400, deadline=None)
@example(["\u094dက"])  # a text that begins with what joins letters
@given(st.lists(TEXTS, min_size=1, max_size=3))
def test_no_word_begins_within_a_cluster_nor_depends_on_other_texts(texts: list[str]) -> None:
    given_texts = characters(texts)
    cuts, words = ~goes_on(given_texts), atoms(given_texts)
    assert not (words & ~cuts).any()
    for text, start in zip(texts, given_texts.first.tolist(), strict=False):
        ends = ends_of_clusters(text)
        mine = slice(start, start + len(text))
        assert {place for place, cut in enumerate(cuts[mine].tolist()) if cut} <= ends
        alone = characters([text])
        assert goes_on(alone).tolist() == (~cuts)[mine].tolist()
        assert atoms(alone).tolist() == words[mine].tolist()


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXTS, min_size=1, max_size=3), st.sampled_from(["jieba", "character"]))
def test_words_are_in_order_and_apart_and_part_no_cluster(texts: list[str], cut: str) -> None:
    for text, borders in zip(texts, word_borders(texts, cut), strict=True):
        ends = ends_of_clusters(text)
        last = 0
        for start, end in borders:
            assert last <= start < end <= len(text)
            assert {start, end} <= ends
            last = end
        left = set(range(len(text))) - {place for start, end in borders for place in range(start, end)}
        assert not any(text[place].isalnum() for place in left if not regex.match(r"\p{M}|\p{Lm}", text[place]))


@pytest.mark.parametrize("text", ["天安门", "한국어", "abc", "नमस्ते", "ภาษาไทย", "ああ", "!!", "😀😀", "1234", "\n\n"])
def test_what_readers_tell_apart_is_cut(text: str) -> None:
    found = [0, *accumulate(map(len, regex.findall(r"\X", text)))][:-1]
    assert [place for place, on in enumerate(goes_on(characters([text])).tolist()) if not on] == found
