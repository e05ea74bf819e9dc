import unicodedata
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from danlu.data.duplicates.folded import folded

texts = st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=8)


def normalised(text: str) -> str:
    return folded([text]).bytes_of(0).decode("utf-32-le", "surrogatepass")


@given(lines=texts)
def test_all_texts_at_once_are_folded_as_each_by_hand(lines: list[str], by_hand: Callable[[str], str]) -> None:
    found = folded(lines)
    assert [found.bytes_of(row).decode("utf-32-le") for row in range(len(lines))] == list(map(by_hand, lines))


@given(st.text("aAé e\u0301，,Ａ好\n\t ½…", max_size=12))
def test_case_width_white_space_and_composed_letters_are_told_alike(text: str) -> None:
    assert normalised(unicodedata.normalize("NFD", text).upper().replace(" ", "\u3000")) == normalised(text.upper())


def test_half_of_a_pair_of_surrogates_is_a_character_like_any_other() -> None:
    assert normalised("a\ud800 b") == "a\ud800b"


def test_letters_in_parts_are_composed_in_every_script_that_has_them() -> None:
    for text in ("Hội nghị được", "대한민국 정부는", "がぎぱ", "Größe"):
        assert normalised(unicodedata.normalize("NFD", text)) == normalised(text)
