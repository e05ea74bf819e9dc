"""What the code must agree with: how alike two texts are, by the definition, character by character."""

import unicodedata
from collections.abc import Callable
from functools import cache

import pytest


def fold(text: str) -> str:
    """Each character by itself, in one case and one width, without white space; one that becomes several stays."""
    parts = (("\u0300", "\u036f"), ("\u1161", "\u11c2"), ("\u3099", "\u309a"))
    if any(first <= char <= last for char in text for first, last in parts):
        text = unicodedata.normalize("NFC", text)
    return "".join(map(folded, text))


@cache
def folded(char: str) -> str:
    became = unicodedata.normalize("NFKC", char).casefold()
    return "" if not became.strip() else became if len(became) == 1 else char


def shingles(text: str) -> set[str]:
    """Three characters from each Chinese one, six from each other; cut ones where the text or letters begin."""
    wide = [char > "\u2e7f" for char in text]
    whole = {text[i : i + 3] for i in range(len(text) - 2) if wide[i]}
    whole |= {text[i : i + 6] for i in range(len(text) - 5) if not wide[i]}
    return (
        whole
        | {text[i : i + 6] for i in range(1, len(text)) if wide[i - 1] and not wide[i]}
        | ({text[: 3 if wide[0] else 6]} if text else {""})
    )


@pytest.fixture(scope="session")
def by_hand() -> Callable[[str], str]:
    """A text folded character by character."""
    return fold


@pytest.fixture(scope="session")
def similarities_by_hand() -> Callable[[list[str], list[tuple[int, int]]], list[float]]:
    """The Jaccard similarity of the shingles of pairs of texts."""

    def similarities(texts: list[str], pairs: list[tuple[int, int]]) -> list[float]:
        sets = [shingles(fold(text)) for text in texts]
        return [len(sets[a] & sets[b]) / len(sets[a] | sets[b]) for a, b in pairs]

    return similarities
