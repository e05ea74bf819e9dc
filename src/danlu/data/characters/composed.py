"""Composed characters (NFC and NFKC, Unicode annex 15) in time linear in the text.

Python sorts the marks upon a letter by insertion, which takes quadratic time where thousands of them alternate. Runs
of marks that are longer than any text's are sorted here before; the outcome is the same.
"""

import re
import unicodedata
from functools import cache
from typing import Literal

from danlu.data.characters.side_by_side import ranges

Form = Literal["NFC", "NFKC"]

_LONG = 32
"""Marks upon one letter, beyond which they are sorted here; Unicode's stream-safe texts have 30."""


def composed(text: str, form: Form = "NFC") -> str:
    """The text in a form of Unicode."""
    return unicodedata.normalize(form, _in_order(text))


def is_composed(text: str, form: Form = "NFC") -> bool:
    """Whether the text is in a form of Unicode."""
    ordered = _in_order(text)
    return ordered == text and unicodedata.is_normalized(form, ordered)


def _in_order(text: str) -> str:
    """The text with long runs of marks in their canonical order; a long run holds one of every so many characters."""
    some = text[::_LONG]
    return text if some.isascii() or not _mark().search(some) else _runs().sub(_sorted, text)


def _sorted(run: "re.Match[str]") -> str:
    marks = [part for mark in run[0] for part in unicodedata.normalize("NFD", mark)]
    return "".join(sorted(marks, key=unicodedata.combining))


def _runs() -> "re.Pattern[str]":
    """Long runs of characters that are marks, or become nothing but marks."""
    return re.compile(f"{_mark().pattern}{{{_LONG},}}")


@cache
def _mark() -> "re.Pattern[str]":
    """One such character."""
    codes = [*range(0x300, 0x20000), *range(0xE0000, 0xE0200)]
    marks = [code for code in codes if all(map(unicodedata.combining, unicodedata.normalize("NFD", chr(code))))]
    return re.compile(f"[{ranges(marks)}]")
