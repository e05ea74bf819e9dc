"""Pieces merged to words, by the characters that they stand for.

Words and what lies between them are the text again, whatever its script; every token of a text is in one word, so
sums over tokens are sums over words.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec

import numpy as np

from danlu.data.characters.scripts import HAN, kinds_of
from danlu.data.characters.side_by_side import code_points
from danlu.explain.tokens import Token
from danlu.text.segmenting.segmenter import Segmenter

Span = tuple[int, int]


@dataclass(frozen=True)
class Word:
    """A word of a text: its characters, end exclusive, and the places of its tokens in the row."""

    column: str
    start: int
    end: int
    tokens: tuple[int, ...]


def words_of(texts: Mapping[str, str], tokens: Sequence[Token]) -> list[Word]:
    """The words that tokens stand in, text by text.

    Words that share a token are one, for nothing tells their parts apart. A token without characters of its own, such
    as one of white space, belongs to the word behind it. Words that no token reads are none.
    """
    found = []
    for column, text in texts.items():
        own = [place for place, token in enumerate(tokens) if token.column == column]
        found += [
            Word(column, start, end, tuple(places))
            for (start, end), places in _filled(_spans(text), [(tokens[place], place) for place in own])
        ]
    return found


def in_order(text: str, words: Sequence[Word]) -> Iterator[tuple[str, Word | None]]:
    """A text piece by piece, each with its word, or None for what lies between; the pieces joined are the text."""
    last = 0
    for word in words:
        if word.start > last:
            yield text[last : word.start], None
        yield text[word.start : word.end], word
        last = word.end
    if last < len(text):
        yield text[last:], None


def _spans(text: str) -> list[Span]:
    """Where the words of a text stand, without white space."""
    found, place = [], 0
    for word in _segmenter(_has_han(text)).segment([text])[0]:
        inner = word.strip()
        if inner:
            start = place + word.index(inner)
            found.append((start, start + len(inner)))
        place += len(word)
    assert place == len(text), "words are not the text"
    return found


def _filled(spans: Sequence[Span], tokens: Sequence[tuple[Token, int]]) -> list[tuple[Span, list[int]]]:
    """Words with tokens, those that share one joined; all tokens are of one word where a text has no other."""
    if not spans:
        whole = (tokens[0][0].start, max(token.end for token, _ in tokens)) if tokens else (0, 0)
        return [(whole, [place for _, place in tokens])] if tokens else []
    starts = np.array([start for start, _ in spans], np.int64)
    ends = np.array([end for _, end in spans], np.int64)
    found: list[tuple[int, int, list[int]]] = []  # first and last word, and tokens
    reached = 0
    for token, place in tokens:
        start = token.start if token.end > token.start else max(token.start, reached)  # some tokens have no place
        reached = max(reached, token.end)
        first = int(np.searchsorted(ends, start, "right"))
        last = int(np.searchsorted(starts, max(token.end, start), "left")) - 1
        if last < first:  # it has no character of any word
            first = last = min(first, len(spans) - 1)
        places = [place]
        while found and first <= found[-1][1]:
            before = found.pop()
            first, last, places = min(first, before[0]), max(last, before[1]), before[2] + places
        found.append((first, last, places))
    return [((spans[first][0], spans[last][1]), places) for first, last, places in found]


def _has_han(text: str) -> bool:
    return bool((kinds_of(code_points(text)) == HAN).any())


@cache
def _segmenter(han: bool) -> Segmenter:
    """Chinese by jieba's dictionary where that is installed; all else by rules."""
    return Segmenter.model_validate("jieba" if han and find_spec("jieba") else "rules")
