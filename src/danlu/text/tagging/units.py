"""What counted taggers tag: single characters, but runs of Latin letters or digits as one unit.

A mark is what a unit is in an entity: `(label, joined)`, joined where it goes on with the entity of the unit
before; `(None, False)` outside.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from danlu.text.batching.align import touched

Mark = tuple[str | None, bool]
Border = tuple[int, int]
Span = tuple[int, int, str]

_UNIT = re.compile(r"[A-Za-z\u00c0-\u024f]+|[0-9]+|\S")
_SHAPES = (
    ("digits", re.compile(r"[0-9０-９]+")),
    ("initial", re.compile(r"[A-Z][a-z]+")),
    ("capitals", re.compile(r"[A-Z]+")),
    ("letters", re.compile(r"[^\W\d_\u2e80-\uffff]+")),
    ("numeral", re.compile(r"[〇零一二三四五六七八九十百千万亿]")),
    ("han", re.compile(r"[\u3400-\u9fff\U00020000-\U0003ffff]")),
    ("script", re.compile(r"\w+")),
)


def units(text: str) -> list[Border]:
    """Start and end of each unit; white space belongs to none."""
    return [match.span() for match in _UNIT.finditer(text)]


def shape(unit: str) -> str:
    """The class of a unit's characters: what is known of a unit that training has never shown."""
    return next((name for name, pattern in _SHAPES if pattern.fullmatch(unit)), "sign")


def marks(places: Sequence[Border], spans: Iterable[Span]) -> list[Mark]:
    """The mark of each unit; a unit belongs to the span that it overlaps."""
    found: list[Mark] = [(None, False)] * len(places)
    every = list(spans)
    for (_, _, label), (first, stop) in zip(every, touched(every, np.array(places).reshape(-1, 2)), strict=True):
        for row in range(first, stop):
            found[row] = (label, row > first)
    return found
