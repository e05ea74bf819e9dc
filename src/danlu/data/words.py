"""Words of a text by a rule that needs no model: runs of letters and digits; Chinese by a dictionary, or by character.

This rule serves what changes words in data. To segment for its own sake, take a segmenter.
"""

import re
from collections.abc import Sequence
from typing import Literal

from danlu.data.jieba_cutter import jieba_cutter

Cut = Literal["jieba", "character"]
"""How Chinese is cut into words."""

UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Kana and Han: scripts without spaces between words, as a class of a regular expression."""

_LETTERS = rf"[^\W_{UNSPACED}]+"
_PIECES = re.compile(rf"([{UNSPACED}]+)|{_LETTERS}(?:['’\-]{_LETTERS})*")
_WIDE = re.compile(rf"[{UNSPACED}\u3000-\u303f\uff00-\uffef]")

_NEEDING = "cutting Chinese into words ('words: character' takes each character for one)"

Borders = list[tuple[int, int]]
"""Characters of each word, end exclusive, in order."""


def word_borders(text: str, cut: Cut = "jieba") -> Borders:
    """Where the words of a text begin and end; white space and punctuation belong to none.

    Raises `Refusal` if the text holds Chinese, is to be cut by jieba, and that is not installed.
    """
    found: Borders = []
    for piece in _PIECES.finditer(text):
        if piece.lastindex is None:
            found.append(piece.span())
            continue
        start = piece.start()
        for word in jieba_cutter("augment", _NEEDING).cut(piece[1]) if cut == "jieba" else piece[1]:
            found.append((start, start + len(word)))
            start += len(word)
    return found


def is_wide(character: str) -> bool:
    """Whether a character belongs to a script without spaces between words, or to its punctuation."""
    return _WIDE.match(character) is not None


def with_spaces(words: Sequence[str]) -> tuple[str, Borders]:
    """Text made of words, and the characters of each; no space stands beside Chinese, nor before punctuation."""
    text, borders = "", Borders()
    for word in words:
        text += seam(text, word)
        borders.append((len(text), len(text) + len(word)))
        text += word
    return text, borders


def seam(before: str, after: str) -> str:
    """What stands between two pieces of a text: a space, or nothing."""
    if not before or not after or is_wide(before[-1]) or is_wide(after[0]) or not after[0].isalnum():
        return ""
    return " "
