"""In which language a text is answered."""

import pytest

from danlu.data.characters.languages import language_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("怎么退货？", "zh"),
        ("How do I return it?", "en"),
        ("iPhone 15 手机壳", "zh"),
        ("查 API", "zh"),
        ("What does 茶馆 mean?", "en"),
        ("naïve café", "en"),
        ("\U00020000\U00020001 x", "zh"),
        ("ひらがな", "zh"),
        ("", "en"),
        ("12:30 — 😀", "en"),
    ],
)
def test_names_in_the_other_language_do_not_decide(text: str, language: str) -> None:
    assert language_of(text) == language


def test_what_has_no_letters_is_in_the_language_that_is_given() -> None:
    assert language_of("42?", "zh") == "zh"
    assert language_of("ok 42?", "zh") == "en"
