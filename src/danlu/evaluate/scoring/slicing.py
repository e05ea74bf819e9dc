"""Parts of a test set that may be worse than the rest: by length, script, rare words, label, column and word.

N records.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.scripts import HAN, HANGUL, KANA, LATIN, UNSPACED
from danlu.data.record import Record
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.written import scripts, units
from danlu.recipe.part import nearest
from danlu.refusal import Refusal
from danlu.task.entities import shown_text
from danlu.task.task import Task

Floats = NDArray[np.float64]

LENGTH, SCRIPT, RARE, LABEL, COLUMN, WORD = "length", "script", "rare", "label", "column", "word"

PARTS = 5
"""Into which numbers are cut by quantiles."""

WORDS = 2000
"""Words that are looked at, the commonest first."""

_AT_ONCE = 2000  # texts that are cut into words together
_RARE = 2  # texts of the test set that a rare word stands in at most
_VALUES = 50  # a column that nobody named has at most
_HAN_RUNS = re.compile("[\u3400-\u9fff]{2,}")
_SCRIPTS = {LATIN: "latin", HAN: "han", KANA: "kana", HANGUL: "hangul", UNSPACED: "unspaced"}


@dataclass(frozen=True)
class Slice:
    """Some of the records: those of one `value` of a `kind`, or of a column; `members` are their places."""

    kind: str
    value: str
    members: NDArray[np.int64]
    column: str = ""


def smallest(records: int) -> int:
    """How many records a slice must have at least, so that its share of errors can be told from the rest."""
    return max(20, records // 200)


def slices_of(task: Task, side: Side, records: Sequence[Record], columns: Sequence[str] = ()) -> list[Slice]:
    """All slices that hold enough records, and leave enough; of several that hold the same records, the first.

    `columns` are looked at beside those whose values are few or numbers.
    """
    least, count = smallest(len(records)), len(records)
    if count < 2 * least:
        return []
    found: dict[bytes, Slice] = {}
    for each in _all(task, side, records, columns, least):
        if least <= len(each.members) <= count - least:
            found.setdefault(each.members.tobytes(), each)
    return list(found.values())


def _all(task: Task, side: Side, records: Sequence[Record], columns: Sequence[str], least: int) -> Iterator[Slice]:
    texts = [_text(record) for record in records]
    yield from _by_value(LABEL, [{label for _, label in side.form.marks(true)} for true in side.gold])
    yield from _by_number(LENGTH, np.array([len(text) for text in texts], np.float64))
    yield from _by_value(SCRIPT, [{_script(text)} for text in texts])
    for name in _columns(task, records, columns):
        yield from _by_column(name, [record.get(name) for record in records])
    words = [_words(text, row) for text, row in zip(texts, _units(texts), strict=True)]
    counts = Counter(word for some in words for word in some)
    rare = [sum(counts[word] <= _RARE for word in some) / max(1, len(some)) for some in words]
    yield from _by_number(RARE, np.array(rare))
    common = [(word, held) for word, held in counts.most_common() if least <= held <= len(records) - least]
    chosen = {word for word, _ in common[:WORDS]}
    ordered = sorted(chosen, key=lambda word: (-len(word), word))  # of words that stand in the same texts, the longest
    yield from _by_value(WORD, [some & chosen for some in words], ordered)


def _by_value(kind: str, held: Sequence[set[str]], order: Sequence[str] | None = None) -> Iterator[Slice]:
    """A slice a value; `held` are those of each record."""
    places: dict[str, list[int]] = {value: [] for value in order or ()}
    for place, values in enumerate(held):
        for value in sorted(values) if order is None else values:
            places.setdefault(value, []).append(place)
    for value, members in places.items():
        yield Slice(kind, value, np.array(members, np.int64))


def _by_number(kind: str, numbers_N: Floats, column: str = "") -> Iterator[Slice]:
    """A slice a part of the range, each holding about as many records; numbers that are none are in no slice."""
    known = numbers_N[np.isfinite(numbers_N)]
    if not len(known):
        return
    edges = np.unique(np.quantile(known, np.linspace(0, 1, PARTS + 1)))
    if len(edges) < 2:
        return
    for place, (low, high) in enumerate(pairwise(edges.tolist())):
        last = place == len(edges) - 2
        inside = (numbers_N >= low) & ((numbers_N <= high) if last else (numbers_N < high))
        members = np.flatnonzero(inside)
        if len(members):
            least, most = numbers_N[members].min(), numbers_N[members].max()
            yield Slice(kind, _range(least, most, share=kind == RARE), members, column)


def _by_column(name: str, values: Sequence[Any]) -> Iterator[Slice]:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(set(numbers)) > 2 * PARTS:
        given = [float(value) if isinstance(value, int | float) else np.nan for value in values]
        yield from _by_number(COLUMN, np.array(given), name)
        return
    held = [set() if value is None or isinstance(value, list | dict) else {str(value)} for value in values]
    for each in _by_value(COLUMN, held):
        yield Slice(COLUMN, each.value, each.members, name)


def _columns(task: Task, records: Sequence[Record], named: Sequence[str]) -> list[str]:
    """Those that were named, and those of few values or of numbers that are neither asked about nor the truth."""
    taken = {*task.columns, *task.other_columns, *task.also_reads, *named}
    free = [name for name in dict.fromkeys(name for record in records for name in record) if name not in taken]
    return [*named, *(name for name in free if _tells(record.get(name) for record in records))]


def _tells(values: Iterator[Any]) -> bool:
    """Whether a column that nobody named has few values, or is one of numbers."""
    known = [value for value in values if value is not None]
    if any(isinstance(value, list | dict) for value in known):
        return False
    return all(isinstance(value, float) for value in known) or 2 <= len(set(map(str, known))) <= _VALUES


def refuse_unknown(records: Sequence[Record], columns: Sequence[str]) -> None:
    """Raise `Refusal` for a column that no record has."""
    known = list(dict.fromkeys(column for record in records for column in record))
    for name in columns:
        if name not in known:
            raise Refusal(
                f"slices: no record has a column '{name}'{nearest(name, known)}; there are: {', '.join(known[:20])}"
            )


def _text(record: Record) -> str:
    try:
        return shown_text(record)
    except Refusal:  # what it is about is no text
        return ""


def _script(text: str) -> str:
    names = sorted(_SCRIPTS.get(kind, "other") for kind in scripts([text]))
    return " + ".join(dict.fromkeys(names)) or "none"


def _units(texts: Sequence[str]) -> Iterator[list[str]]:
    """The words of each text, of which some are cut at a time, so that memory does not grow with their number."""
    for start in range(0, len(texts), _AT_ONCE):
        yield from units(texts[start : start + _AT_ONCE])


def _words(text: str, row: Sequence[str]) -> set[str]:
    """The words of a text, and of Chinese every two characters that stand side by side."""
    pairs = (run[place : place + 2] for run in _HAN_RUNS.findall(text) for place in range(len(run) - 1))
    return {*row, *pairs}


def _range(low: float, high: float, *, share: bool) -> str:
    told = [f"{value:.0%}" if share else f"{value:,.6g}" for value in (low, high)]
    return told[0] if told[0] == told[1] else f"{told[0]}–{told[1]}"
