"""Words of a text by a rule that needs no model: runs of letters and digits; Chinese by a dictionary, or by character.

This rule serves what changes words in data. To segment for its own sake, take a segmenter.
"""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Literal

from danlu.refusal import Refusal

Cut = Literal["jieba", "character"]
"""How Chinese is cut into words."""

UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
"""Kana and Han: scripts without spaces between words, as a class of a regular expression."""

_LETTERS = rf"[^\W_{UNSPACED}]+"
_PIECES = re.compile(rf"([{UNSPACED}]+)|{_LETTERS}(?:['’\-]{_LETTERS})*")
_WIDE = re.compile(rf"[{UNSPACED}\u3000-\u303f\uff00-\uffef]")

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
        for word in _by_dictionary()(piece[1]) if cut == "jieba" else piece[1]:
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


@cache
def _by_dictionary() -> Callable[[str], Iterator[str]]:
    """The cut of jieba, its dictionary read anew (0.6 s): the copy in the folder for temporary files is anyone's."""
    try:
        import jieba
    except ImportError as error:
        raise Refusal(
            "Chinese words are cut by jieba, which is not installed; run: pip install 'danlu[augment]', "
            "or write 'words: character'"
        ) from error
    logging.getLogger("jieba").setLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return tokenizer.cut  # type: ignore[no-any-return]
