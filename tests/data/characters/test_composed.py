"""Composed characters are Unicode's own, also on runs of marks that no writer makes, and in linear time."""

import unicodedata
from functools import partial

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_proportion import BOUND, growth

from danlu.data.characters.composed import composed, is_composed

MARKS = st.text(
    "\u0301\u0323\u0308\u0344\u0f73\u0f71\u0f72\u0f75\u0f81\u05b0\u3099\u0345\u0315", min_size=25, max_size=90
)
LETTERS = st.sampled_from(["", "e", "é", "ệ", "か", "ཀ", "天", "ῧ", "\u1100", "각", "ﬁ", "Å"])


@settings(max_examples=settings().max_examples * 2)
@given(st.lists(st.tuples(LETTERS, MARKS), max_size=3), st.sampled_from(["NFC", "NFKC"]))
def test_the_form_is_unicodes_own(parts: list[tuple[str, str]], form: str) -> None:
    text = "".join(letter + marks for letter, marks in parts)
    assert composed(text, form) == unicodedata.normalize(form, text)
    assert is_composed(text, form) == unicodedata.is_normalized(form, text)
    assert is_composed(composed(text, form), form)


@given(st.text(max_size=60))
def test_any_text_is_composed_as_unicode_says(text: str) -> None:
    assert composed(text) == unicodedata.normalize("NFC", text)
    assert is_composed(text) == unicodedata.is_normalized("NFC", text)


@pytest.mark.parametrize("unit", ["\u0301\u0323", "\u0f73", "\u0323\u0301\u0344"])
def test_alternating_marks_take_linear_time(unit: str) -> None:
    assert growth(*(partial(composed, "e" + unit * count) for count in (5_000, 20_000))) < BOUND
