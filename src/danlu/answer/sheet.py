"""Records and what was predicted of them as a csv (RFC 4180): the columns of the record, then those of the answer.

Values stand as they are. What a spreadsheet would take for a formula is not altered, since a program that reads the
file would then read something else; such cells are counted, so that people can be told.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from danlu.answer.answer import Answer, as_cell
from danlu.refusal import Refusal

BEFORE = "predicted_"
"""What the names of the answer's columns begin with, as a file often has a `label` or a `text` of its own."""

_BEGIN_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


class Sheet:
    """The rows of a csv, under the columns of its first one."""

    def __init__(self, form: Answer) -> None:
        """A sheet without a row, for answers of a form."""
        self.form = form
        self.formulas = 0
        self._names: list[str] = []
        self._written = 0

    def rows(self, record: Mapping[str, Any], prediction: Mapping[str, Any]) -> str:
        """The row of a record, below the names of the columns if it is the first; without the last line end.

        A column that the record does not have stays empty. Raises `Refusal` for one that the first record had not,
        and where a column of the record has the name of one of the answer.
        """
        answer = {f"{BEFORE}{name}": value for name, value in self.form.columns(prediction).items()}
        self._written += 1
        if both := [name for name in answer if name in record]:
            raise Refusal(
                f"record {self._written:,}: the answer would be written to the column '{both[0]}', which the record "
                "has already; rename it, or write --format jsonl"
            )
        row = {name: as_cell(value) for name, value in record.items()} | answer
        first = not self._names
        self._names = self._names or list(row)
        if new := [name for name in row if name not in self._names]:
            raise Refusal(
                f"record {self._written:,}: the column '{new[0]}' does not stand in the first record, and a csv has "
                "the same columns in every row; write --format jsonl"
            )
        self.formulas += sum(map(_begins_formula, row.values()))
        lines = [self._names] * first + [[row.get(name) for name in self._names]]
        return "\n".join(map(_line, lines))


def _line(cells: Sequence[str | int | float | None]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow(cells)  # quotes a lone \r for the sake of that line end alone
    return text.getvalue().removesuffix("\r\n")


def _begins_formula(cell: str | int | float | None) -> bool:
    if not str(cell).startswith(_BEGIN_FORMULAS):
        return False
    try:
        float(str(cell))
    except ValueError:
        return True
    return False
