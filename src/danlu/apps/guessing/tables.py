"""Whether a text file is a table: what separates its fields, whether the first row names them, whether quotes count."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.table import quoted_rows, told_delimiter

_LONGEST_NAME = 40  # characters of the name of a column
_SENTENCE = re.compile(r"[。！？!?；，,]|\.(\s|$)")
_FEW = 0.5  # of the rows that may have one value: then that value is a class, and no name


@dataclass(frozen=True)
class Table:
    """The form of a table, and its first rows, that of the names among them.

    - `even`: whether nearly all rows have as many fields.
    """

    delimiter: str
    quoted: bool
    header: bool
    even: bool
    rows: list[list[str]]

    @property
    def columns(self) -> int:
        """How many there are."""
        return len(self.rows[0])


def look_at(lines: Sequence[str], *, tabs: bool, delimiter: str | None = None) -> Table | None:
    """The table that the first lines of a file are; None where they have a single field. `tabs`: it is called tsv."""
    if lines and (stated := re.fullmatch(r"sep=(.)\s*", lines[0], re.IGNORECASE)):  # as Excel reads it
        lines, delimiter = lines[1:], delimiter or stated[1]
    numbered = list(enumerate(lines, 1))
    sign = delimiter or ("\t" if tabs else _delimiter(numbered))
    plain = [line.rstrip("\r\n").split(sign) for line in lines if line.strip()]
    quoted = sign != "\t" or any(
        field.startswith('"') and field.endswith('"') for row in plain for field in row if field
    )
    if quoted:
        rows = [row for _, row in quoted_rows(iter(numbered), sign, "", BadRows()) if any(map(str.strip, row))]
        quoted = sign != "\t" or _evenness(rows) >= _evenness(plain)
    rows = rows if quoted else plain
    if not rows or len(rows[0]) < 2:
        return None
    return Table(sign, quoted, has_header(rows), _evenness(rows) >= 0.95, rows)


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row names the columns: short words, each once, that are unlike what stands below them."""
    first = [field.strip() for field in rows[0]]
    while len(first) > 1 and not first[-1]:
        first.pop()
    below = [row for row in rows[1:] if len(row) >= len(first)]
    if len(set(first)) < len(first) or any(_is_number(name) or len(name) > _LONGEST_NAME for name in first):
        return False
    if any(_SENTENCE.search(name) and len(name) > 3 for name in first) or not all(first[1:]):
        return False
    columns = [[row[place].strip() for row in below] for place in range(len(first))]
    return not any(_is_class(name, values) for name, values in zip(first, columns, strict=True))


def _is_class(name: str, values: Sequence[str]) -> bool:
    """Whether the first value of a column stands in other rows too, as the name of a class does."""
    counts = Counter(values)
    return counts[name] > 0 and (len(counts) <= max(2, _FEW * len(values)))


def _delimiter(lines: Sequence[tuple[int, str]]) -> str:
    """As danlu's csv tells it, and what Chinese and European tables use beside that."""
    sign, _ = told_delimiter(iter(lines), None)
    return sign


def _evenness(rows: Sequence[Sequence[str]]) -> float:
    """Share of the rows that have as many fields as most."""
    counts = Counter(len(row) for row in rows)
    return max(counts.values()) / len(rows) if rows else 0.0


def _is_number(text: str) -> bool:
    return bool(re.fullmatch(r"[+-]?\d+([.,]\d+)?%?", text))
