"""Rows of a table in text: fields separated by a character, with or without quotes."""

import csv
from collections.abc import Iterable, Iterator, Sequence

from danlu.data.record import Record
from danlu.data.source_file import LINE_LIMIT
from danlu.refusal import Refusal

Fields = tuple[int, list[str]]
"""The number of the line at which a row begins, and the texts of its fields."""


def quoted_rows(lines: Iterable[str], delimiter: str, name: str) -> Iterator[Fields]:
    """Yield the rows of a table with quotes by RFC 4180 (2005); quoted fields may hold delimiters and line ends.

    Raises:
        Refusal: quotes are wrong; names the file and the line at which the row begins.
    """
    csv.field_size_limit(LINE_LIMIT)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    begins = 1
    try:
        for row in reader:
            if row:
                yield begins, row
            begins = reader.line_num + 1
    except csv.Error as error:
        raise Refusal(
            f'{name}, line {begins}: this row is no table row ({error}); double the quotes inside a field ("") '
            "and close every quoted field"
        ) from error


def plain_rows(lines: Iterable[str], delimiter: str) -> Iterator[Fields]:
    """Yield the rows of a table without quotes: a quote is a character like any other."""
    for number, line in enumerate(lines, 1):
        bare = line.rstrip("\r\n")
        if bare:
            yield number, bare.split(delimiter)


def named_rows(
    rows: Iterator[Fields], header: Sequence[str] | None, name: str, *, join_with: str | None = None
) -> Iterator[tuple[int, Record]]:
    """Yield rows as records; the names come from `header`, or from the first row if it is None.

    With `join_with`, fields beyond the last column are joined to it again by this text.

    Raises:
        Refusal: a row has more or fewer fields than there are names, or a name occurs twice.
    """
    if header is None:
        _, header = next(rows, (0, []))
    names = [column.strip() for column in header]
    twice = next((column for column in names if names.count(column) > 1), None)
    if twice is not None:
        raise Refusal(f"{name}, line 1: two columns are named '{twice}'; name each column once")
    for number, given in rows:
        fields = given
        if join_with is not None and len(fields) > len(names):
            fields = [*fields[: len(names) - 1], join_with.join(fields[len(names) - 1 :])]
        if len(fields) != len(names):
            raise Refusal(
                f"{name}, line {number}: {len(fields)} fields where {len(names)} columns are named "
                f"({', '.join(names)}); mend the row, or quote the fields that hold the separator"
            )
        yield number, dict(zip(names, fields, strict=True))
