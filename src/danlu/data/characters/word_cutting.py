"""Words of a text by a rule that needs no model: what a reader would never part stays whole. N characters of all texts.

Numbers, times and dates, words with hyphens and apostrophes, addresses of mail and of pages, and grapheme clusters are
one word each. Chinese is cut by a dictionary, or by character.
"""

import re
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal

import numpy as np

from danlu.data.characters.clusters import goes_on
from danlu.data.characters.jieba_cutter import jieba_cutter
from danlu.data.characters.scripts import (
    DIGIT,
    HAN,
    HANGUL,
    KANA,
    LATIN,
    LETTER,
    PUNCTUATION,
    SPACE,
    SYMBOL,
    UNSPACED,
    kinds_of,
)
from danlu.data.characters.side_by_side import Bools, Characters, Numbers, characters

Cut = Literal["jieba", "character"]
"""How Chinese is cut into words."""

Borders = list[tuple[int, int]]
"""Characters of each word, end exclusive, in order."""

_NEEDING = "cutting Chinese into words ('words: character' takes each character for one)"

_WIDE = re.compile("[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff\u3000-\u303f\uff00-\uffef]")

# kinds of characters that make one word together
_RUNS = {
    LATIN: 1,
    DIGIT: 1,
    LETTER: 1,
    KANA: 2,
    HANGUL: 3,
    UNSPACED: 4,
    SPACE: 5,
}
_INKED = (LATIN, DIGIT, HAN, KANA, HANGUL, LETTER, UNSPACED)
_WITHIN_NUMBERS = [ord(mark) for mark in ".,．:：/／-－"]  # 3.14, 1,000, 192.168.1.1, 12:30, 2024-05-31
_WITHIN_LETTERS = [ord(mark) for mark in "'’-_‐‑－"]  # don't, state-of-the-art, COVID-19, a_1
_ALNUM = np.array([chr(code).isalnum() for code in range(128)])
_IN_MAIL = _ALNUM | np.isin(np.arange(128), [ord(mark) for mark in "._%+-@"])
_IN_LINKS = _IN_MAIL | np.isin(np.arange(128), [ord(mark) for mark in "#!$&*,/:;=?~"])
_LINK = re.compile("[A-Za-z]://[A-Za-z0-9]|www[.][A-Za-z0-9]")


def atoms(given: Characters) -> Bools:
    """Where a word begins by the classes of characters alone, a Chinese character being one, (N,)."""
    inside, border = goes_on(given), given.begins()
    kinds = kinds_of(given.codes)
    place = np.arange(len(kinds))
    base = np.maximum.accumulate(np.where(inside, 0, place))  # of each character, the first one of its cluster
    kind_before, code_before = (np.roll(values[base], 1) for values in (kinds, given.codes))

    run = np.zeros(256, np.int64)
    run[[*_RUNS]] = [*_RUNS.values()]
    stays: Bools = (run[kinds] == run[kind_before]) & (run[kinds] > 0)
    stays |= ((kinds == PUNCTUATION) | (kinds == SYMBOL)) & (given.codes == code_before)

    kind_after, last = np.roll(kinds, -1), np.roll(border | inside, -1)
    for within, around in ((_WITHIN_NUMBERS, [DIGIT]), (_WITHIN_LETTERS, [LATIN, DIGIT, LETTER])):
        inner = np.isin(given.codes, within) & np.isin(kind_before, around) & np.isin(kind_after, around)
        inner &= ~(border | inside | last)
        stays |= inner | np.roll(inner, 1)
    stays |= inside | _within_addresses(given)
    return ~stays | border


def word_borders(texts: Sequence[str], cut: Cut = "jieba") -> list[Borders]:
    """Where the words of each text begin and end; white space and punctuation belong to none.

    Raises `Refusal` if a text holds Chinese, is to be cut by jieba, and that is not installed.
    """
    given = characters(texts)
    begins, kinds = atoms(given), kinds_of(given.codes)
    whole = given.whole
    starts = np.append(np.flatnonzero(begins), len(whole))
    inked = np.add.reduceat(np.isin(kinds, _INKED), starts[:-1]) > 0 if len(starts) > 1 else np.zeros(0, bool)
    chinese = np.isin(kinds[starts[:-1]], (HAN, KANA))
    inside = goes_on(given) if chinese.any() else None
    found: list[Borders] = []
    first = np.searchsorted(starts, given.first).tolist()
    for text, (begin, end) in enumerate(pairwise(first)):
        words: Borders = []
        shift, place = int(given.first[text]), begin
        while place < end:
            if not chinese[place]:
                words += [(int(starts[place]), int(starts[place + 1]))] if inked[place] else []
                place += 1
                continue
            stretch = place
            while place < end and chinese[place]:
                place += 1
            assert inside is not None
            words += _cut_chinese(whole, int(starts[stretch]), int(starts[place]), inside, cut)
        found.append([(start - shift, stop - shift) for start, stop in words])
    return found


def is_wide(character: str) -> bool:
    """Whether a character belongs to a script without spaces between words, or to its punctuation."""
    return _WIDE.match(character) is not None


def laid_out(words: Sequence[str], seam: Callable[[str, str], str]) -> tuple[str, Borders]:
    """Text made of words, and the characters of each; `seam` tells what stands between a word and the next."""
    pieces: list[str] = []
    borders: Borders = []
    before, length = "", 0
    for number, word in enumerate(words):
        between = seam(before, word) if number else ""
        pieces += [between, word]
        length += len(between) + len(word)
        borders.append((length - len(word), length))
        before = word or before
    return "".join(pieces), borders


def with_spaces(words: Sequence[str]) -> tuple[str, Borders]:
    """Text made of words, and the characters of each; no space stands beside Chinese, nor before punctuation."""
    return laid_out(words, seam)


def seam(before: str, after: str) -> str:
    """What stands between two pieces of a text: a space, or nothing."""
    if not before or not after or is_wide(before[-1]) or is_wide(after[0]) or not after[0].isalnum():
        return ""
    return " "


def _cut_chinese(whole: str, start: int, end: int, inside: Bools, cut: Cut) -> Borders:
    """The words of a stretch of Chinese, none of which parts a cluster."""
    if cut == "jieba":
        lengths = [len(word) for word in jieba_cutter("augment", _NEEDING).cut(whole[start:end])]
        edges = start + np.cumsum([0, *lengths[:-1]])
    else:
        edges = np.arange(start, end)
    return list(pairwise([*edges[~inside[edges]].tolist(), end]))


def _within_addresses(given: Characters) -> Bools:
    """What stands within an address of mail or of a page, behind its first character, (N,)."""
    found = np.zeros(len(given.codes), np.bool_)
    signs = "@" in given.whole, "://" in given.whole or "www." in given.whole
    if not any(signs):
        return found
    border = given.begins()
    last = np.roll(border, -1)
    codes = np.where(given.codes < 128, given.codes, 0)  # what is no ASCII stands in no address
    alnum = _ALNUM[codes]
    inked, words = np.flatnonzero(alnum), np.flatnonzero(alnum & (border | ~np.roll(alnum, 1)))
    if signs[0]:
        at = (codes == ord("@")) & ~border & ~last & np.roll(alnum, 1) & np.roll(alnum, -1)
        first, stop, _ = _runs_with(np.flatnonzero(at), _IN_MAIL[codes], border, last)
        _mark(found, inked[np.searchsorted(inked, first)], inked[np.searchsorted(inked, stop) - 1])
    if signs[1]:
        told = [
            match.start() for match in _LINK.finditer(given.whole) if not border[match.start() + 1 : match.end()].any()
        ]
        _, stop, sign = _runs_with(np.array(told, np.int64), _IN_LINKS[codes], border, last)
        _mark(found, words[np.searchsorted(words, sign, "right") - 1], inked[np.searchsorted(inked, stop) - 1])
    return found


def _runs_with(signs: Numbers, member: Bools, border: Bools, last: Bools) -> tuple[Numbers, Numbers, Numbers]:
    """The runs of members in which a sign stands: where each begins and ends, and its first sign."""
    first = np.flatnonzero(member & (border | ~np.roll(member, 1)))
    stop = np.flatnonzero(member & (last | ~np.roll(member, -1))) + 1
    run, sign = np.unique(np.searchsorted(first, signs, "right") - 1, return_index=True)
    return first[run], stop[run], signs[sign]


def _mark(found: Bools, first: Numbers, last: Numbers) -> None:
    for start, end in zip(first.tolist(), last.tolist(), strict=True):
        found[start + 1 : end + 1] = True
