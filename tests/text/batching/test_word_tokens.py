"""Which token speaks for a word, beside what is counted character by character."""

import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.text.batching.align import joined
from danlu.text.batching.word_tokens import cut_words, speaking, words_given, words_of

TEXTS = st.text(st.sampled_from("abZé9०λ한\u0301 .,-'李白の\U00020000\u200d"), max_size=20)


def together(one: str, two: str) -> bool:
    """Two letters of scripts with spaces, or two digits; marks and joiners go with both."""
    kinds = set()
    for character in (one, two):
        name, category = unicodedata.name(character, ""), unicodedata.category(character)[0]
        if category == "M" or character == "\u200d":
            continue
        kinds.add(category if category in "LN" and not name.startswith(("CJK", "HIRAGANA", "KATAKANA")) else None)
    return None not in kinds and len(kinds) < 2


def words(text: str) -> list[list[int]]:
    """The characters of each word."""
    found: list[list[int]] = []
    for place, character in enumerate(text):
        if place and together(text[place - 1], character):
            found[-1].append(place)
        else:
            found.append([place])
    return found


@given(TEXTS)
def test_letters_and_digits_make_words_and_other_characters_stand_alone(text: str) -> None:
    numbers = words_of(text)
    assert [np.flatnonzero(numbers == number).tolist() for number in dict.fromkeys(numbers.tolist())] == words(text)
    inside = [place for word in words(text) for place in word[1:]]
    assert cut_words(range(-1, len(text) + 2), numbers) == len(inside)


@given(st.lists(st.text(st.sampled_from("ab.9李白"), min_size=1, max_size=4), max_size=6))
def test_given_words_are_words_and_spaces_stand_alone(given_words: list[str]) -> None:
    text, borders = joined(given_words)
    numbers = words_given(given_words)
    assert len(numbers) == len(text)
    places = [set(range(start, end)) for start, end in borders.tolist()]
    places += [{place} for place, character in enumerate(text) if character == " "]
    found = [set(np.flatnonzero(numbers == number).tolist()) for number in dict.fromkeys(numbers.tolist())]
    assert sorted(map(sorted, found)) == sorted(map(sorted, places))


@pytest.mark.parametrize("speaker", ["first", "last"])
@given(text=TEXTS, data=st.data())
def test_one_token_speaks_for_each_word_and_for_all_of_it(speaker: str, text: str, data: st.DataObject) -> None:
    offsets, tokens = [(0, 0)], list[int]()
    for word in words(text):
        cuts = [word[0], *sorted(data.draw(st.sets(st.sampled_from(word)))), word[-1] + 1]
        pieces = [(one, two) for one, two in pairwise(cuts) if one < two]
        tokens.append(len(offsets) + (0 if speaker == "first" else len(pieces) - 1))
        offsets += [*pieces, (0, 0)] if data.draw(st.booleans()) else pieces
    said = speaking(np.array(offsets, np.int32), words_of(text), speaker)  # type: ignore[arg-type]
    expected = np.zeros((len(offsets), 2), np.int32)
    for token, word in zip(tokens, words(text), strict=True):
        expected[token] = word[0], word[-1] + 1
    assert np.array_equal(said, expected)
    assert not speaking(np.zeros((3, 2), np.int32), words_of(text), speaker).any()  # type: ignore[arg-type]


@pytest.mark.parametrize("speaker", ["first", "last"])
@given(length=st.integers(1, 12), start=st.integers(0, 11), stop=st.integers(1, 12))
def test_a_window_is_silent_on_words_of_which_it_lacks_the_token_that_speaks(
    speaker: str, length: int, start: int, stop: int
) -> None:
    text = "ab cde 李白 fghij k9"[: length + 4]
    offsets = np.array([(place, place + 1) for place in range(len(text)) if text[place] != " "], np.int32)
    whole = speaking(offsets, words_of(text), speaker)  # type: ignore[arg-type]
    part = speaking(offsets[start:stop], words_of(text), speaker, window=True)  # type: ignore[arg-type]
    speaks = (whole[:, 0] < whole[:, 1])[start:stop]
    assert np.array_equal(part[:, 0] < part[:, 1], speaks)
    assert (part[speaks, 0] >= whole[start:stop][speaks, 0]).all()
    assert (part[speaks, 1] <= whole[start:stop][speaks, 1]).all()
