import unicodedata

import numpy as np
import pytest

from danlu.data.characters.scripts import (
    DIGIT,
    HAN,
    HANGUL,
    JOINER,
    KANA,
    KINDS,
    LATIN,
    LETTER,
    MARK,
    OTHER,
    PUNCTUATION,
    SPACE,
    SYMBOL,
    UNSPACED,
    kind_table,
    kinds_of,
    plain_forms,
)
from danlu.data.characters.side_by_side import code_points


@pytest.mark.parametrize(
    ("characters", "kind"),
    [
        ("今龘〇々𠀀\U00033479〡", HAN),
        ("かカｶー", KANA),
        ("한ㄱ", HANGUL),
        ("ไทยั", UNSPACED),
        ("aZéßＡ", LATIN),
        ("Жאم", LETTER),
        ("\u0301\u3099\ufe0f\U000e0100", MARK),
        ("09３Ⅷ", DIGIT),
        ("，。,.!", PUNCTUATION),
        ("$+￥🙂", SYMBOL),
        (" \n\t\u3000\xa0\x1c\x85", SPACE),
        ("\u200c\u200d", JOINER),
        ("\x00\x7f\u200b\ue000\ud800\U0010ffff", OTHER),
    ],
)
def test_every_kind_of_character_is_known(characters, kind):
    assert kinds_of(code_points(characters)).tolist() == [kind] * len(characters)


def test_letters_and_digits_are_those_of_python():
    table = kind_table()
    letters = np.isin(table, (DIGIT, LATIN, HAN, KANA, HANGUL, UNSPACED, LETTER)).tolist()
    apart = [code for code, letter in enumerate(letters) if letter != chr(code).isalnum()]
    told = [code for code in apart if unicodedata.category(chr(code)) != "Cn"]  # later versions of Unicode
    assert {unicodedata.category(chr(code)) for code in told} <= {"Mn", "Mc"}
    assert {int(table[code]) for code in told} == {UNSPACED}  # vowels of Thai and its neighbours
    assert table.max() < KINDS


def test_plain_forms_make_digits_and_letters_alike():
    given = "今天２０24年 Ａb，x"
    assert plain_forms()[code_points(given)].tolist() == code_points("今天0000年 aa,a").tolist()
