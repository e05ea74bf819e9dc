"""One form for characters that look alike (Unicode annex 15), without harm to Chinese punctuation."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

from pydantic import Field

from danlu.data.characters.alignment import Edit
from danlu.data.characters.composed import Form, composed, is_composed
from danlu.data.characters.side_by_side import ranges
from danlu.data.cleaning.cleaner import Editor

_KEPT = frozenset("，。！？；：（）“”‘’《》、～［］｛｝＂＇…‥—")
"""Chinese punctuation, the full-width forms of which are what Chinese is written with."""

_ASTRAL = re.compile("[\U00010000-\U0010ffff]")

_WIDTHS = range(0xFF01, 0xFFEF)


class Normalise(Editor):
    """Composes characters, and makes full-width letters, digits and signs half-width; Chinese punctuation stays."""

    sample: ClassVar[tuple[str, ...]] = ("ＡＢＣ，１２３％！", "e\u0301te\u0301 ｶﾞ")

    form: Form = Field(default="NFC", description="NFKC: also one form for ligatures, circled digits, 10² and the like")
    width: bool = Field(default=True, description="one width for letters, digits and signs")

    def suspects(self, text: str) -> bool:
        """Whether there is a character to replace, or one to compose; see `Editor`."""
        if text.isascii():
            return False
        return bool(self._table(text).replaced.search(text)) or not is_composed(text)

    def edits(self, text: str) -> list[Edit]:
        """Characters, with the marks upon them, in the form that is wanted; see `Editor`."""
        table = self._table(text)
        found = []
        pattern = table.clusters if table.joining.search(text) else table.alone
        for match in pattern.finditer(text):
            wanted = composed(match[0].translate(table.of_character))
            if wanted != match[0]:
                found.append((*match.span(), wanted))
        return found

    def _table(self, text: str) -> "_Table":
        return _table(self.form, self.width, astral=_ASTRAL.search(text) is not None)


@dataclass(frozen=True)
class _Table:
    """What single characters become, and patterns.

    - `replaced`: a character that becomes others whatever stands around it.
    - `joining`: one that may join the character before it.
    - `alone`: a stretch of characters that change and join none.
    - `clusters`: characters that may change together.
    """

    of_character: dict[int, str]
    replaced: re.Pattern[str]
    joining: re.Pattern[str]
    alone: re.Pattern[str]
    clusters: re.Pattern[str]


@cache
def _table(form: Form, width: bool, *, astral: bool) -> _Table:
    """For texts with characters beyond the first 65,536, or without: a pattern that names such is 5 times slower."""
    of_character: dict[int, str] = {}
    joining, alone = [], []
    composed = _second_of_pairs()
    for code in _codes():
        if code > 0xFFFF and not astral:
            break
        character = chr(code)
        if (form == "NFKC" or (width and code in _WIDTHS)) and character not in _KEPT:
            plain = unicodedata.normalize("NFKD", character)
            if plain != unicodedata.normalize("NFD", character):
                of_character[code] = plain
        first = of_character.get(code, character)[0]
        if unicodedata.combining(first) or first in composed:
            joining.append(code)
        elif code in of_character or not unicodedata.is_normalized("NFC", character):
            alone.append(code)
    replaced = f"[{ranges(sorted(of_character))}]" if of_character else "(?!)"
    clusters = f"[^{ranges(joining)}]?[{ranges(joining)}]+|[{ranges(alone)}]"
    patterns = (replaced, f"[{ranges(joining)}]", f"[{ranges(alone)}]+", clusters)
    return _Table(of_character, *map(re.compile, patterns))


@cache
def _second_of_pairs() -> frozenset[str]:
    """Characters that may join the one before them: second halves of canonical pairs, and Korean vowels and ends."""
    pairs = (unicodedata.decomposition(chr(code)).split() for code in _codes())
    found = {chr(int(pair[1], 16)) for pair in pairs if len(pair) == 2 and not pair[0].startswith("<")}
    return frozenset(found | {chr(code) for code in (*range(0x1161, 0x1176), *range(0x11A8, 0x11C3))})


def _codes() -> list[int]:
    """Characters that any form of Unicode changes or joins: not the big blocks of Chinese and Korean."""
    blocks = ((0x80, 0x3400), (0xA640, 0xAC00), (0xF900, 0x20000), (0x2F800, 0x2FA20))
    return [code for first, last in blocks for code in range(first, last)]
