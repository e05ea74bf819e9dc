"""Tokens: identifiers stay findable, Chinese is looked up by pairs."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.index.tokens import LONGEST, query_tokens, stem, tokens


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("错误代码 E-1042 表示没有纸", "e-1042"),
        ("错误代码 E-1042 表示没有纸", "1042"),
        ("upgrade to v2.11.3 first", "2.11.3"),
        ("upgrade to v2.11.3 first", "V2.11.3"),
        ("call getUserName() here", "getusername"),
        ("call getUserName() here", "user name"),
        ("set max_length: 128", "max_length"),
        ("set max_length: 128", "length"),
        ("written in C++ and C#", "c++"),
        ("written in C++ and C#", "C#"),
        ("see https://example.org/a", "example.org"),
        ("型号ＡＢＣ－１２３", "ABC-123"),
        ("他买了iPhone15手机", "iphone15"),
        ("the cities and boxes", "city"),
        ("the user’s name", "user's"),
        ("喝茶", "茶"),
        ("中国银行", "银行"),
        ("コーヒーを飲む", "コーヒー"),
        ("서울에서 만나요", "서울"),
        ("Straße", "STRASSE"),
        ("𠮷野家", "𠮷野"),
    ],
)
def test_what_is_asked_for_is_found(text: str, query: str) -> None:
    sought = query_tokens(query)
    assert sought
    assert set(sought) & set(tokens(text))


def test_the_tokens_of_two_languages_are_those() -> None:
    assert tokens("喝茶 at 3.14") == ["喝", "茶", "喝茶", "at", "3.14", "3", "14"]
    assert query_tokens("喝茶喝茶") == ["喝茶", "茶喝"]
    assert query_tokens("\"' OR * ( NEAR :: -") == ["or", "near"]


@given(st.text())
def test_no_token_holds_what_would_part_it(text: str) -> None:
    for token in tokens(text):
        assert token
        assert len(token) <= LONGEST
        assert token == token.strip()
        assert not set(token) & set(' \t\n"*()^,;!?$%=<>[]{}|~`\\\0')


@given(st.text())
def test_a_text_is_found_by_itself(text: str) -> None:
    assert set(query_tokens(text)) <= set(tokens(text))


@pytest.mark.parametrize(
    ("word", "expected"),
    [("cats", "cat"), ("queries", "query"), ("houses", "house"), ("glass", "glass"), ("bus", "bus"), ("is", "is"),
     ("shoes", "shoes"), ("movies", "movy"), ("dog", "dog")],
)  # fmt: skip
def test_plurals_are_as_the_stemmer_of_harman_has_them(word: str, expected: str) -> None:
    assert stem(word) == expected
