"""Tables whose records have several values: cells cut at a sign, columns of 0 and 1, a row for each value."""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from danlu.data.reading.several import LITERAL, cut

SIGNS = ("|", ";", "；", "、", ",", "，", "/", "#", " ")

_LIST = re.compile(r"\[.*\]|\(.*\)", re.DOTALL)
_HOLDING = 0.05  # of the filled cells of a column, which hold two values or more
_LONGEST = 24  # characters of a value, on average
_DIFFERENT = 0.3  # of the values: with more they are parts of sentences
_LABELS = 0.5  # different values a row, at most
_FEWEST = 3  # texts that stand in several rows
_UNLIKE = 0.9  # of these, whose rows all have another value


def several(names: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[dict[str, Any]]:
    """Settings of a table under which its records have lists, the likeliest first; `names` are those of its columns."""
    even = [row for row in rows if len(row) == len(names)]
    columns = {name: [row[place].strip() for row in even] for place, name in enumerate(names)}
    text = max(columns, key=lambda name: sum(map(len, columns[name])))
    if lists := {name: sign for name, cells in columns.items() if name != text and (sign := _sign(cells))}:
        beside = next((sign for name, sign in lists.items() if _side_by_side(columns[text], columns[name], sign)), None)
        yield {"lists": {text: beside, **lists} if beside else lists}
    flags = [name for name, cells in columns.items() if cells and {*cells} <= {"0", "1"}]
    if len(flags) > 1:
        yield {"flags": {"labels": flags}}
    for value in _repeated(columns, text):
        yield {"group": text, "collect": {"labels": value}}


def _side_by_side(words: Sequence[str], tags: Sequence[str], sign: str) -> bool:
    """Whether each value of a column belongs to one of another, as a tag does to its word."""
    try:
        return all(len(cut(one, sign)) == len(cut(other, sign)) for one, other in zip(words, tags, strict=True))
    except ValueError:
        return False


def _sign(cells: Sequence[str]) -> str | None:
    """What stands between the values of a column; None where its cells hold one each, or are sentences."""
    filled = [cell for cell in cells if cell]
    if filled and all(_LIST.fullmatch(cell) for cell in filled):
        return LITERAL
    for sign in SIGNS:
        values = [value for cell in filled for value in cut(cell, sign)]
        holding = sum(sign in cell.strip(sign) for cell in filled)
        if holding < max(2, _HOLDING * len(filled)) or sum(map(len, values)) > _LONGEST * len(values):
            continue
        if len({*values}) <= _DIFFERENT * len(values):
            return sign
    return None


def _repeated(columns: dict[str, list[str]], text: str) -> Iterator[str]:
    """Columns with another label in each of the rows of one text."""
    places = defaultdict[str, list[int]](list)
    for place, cell in enumerate(columns[text]):
        places[cell].append(place)
    groups = [found for found in places.values() if len(found) > 1]
    for name, cells in columns.items():
        unlike = sum(len({cells[place] for place in found}) == len(found) for found in groups)
        few = len({*cells}) <= _LABELS * len(cells)
        if name != text and few and unlike >= max(_FEWEST, _UNLIKE * len(groups)):
            yield name
