"""Rows of a table in text: fields separated by a character, with or without quotes."""

import csv
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.lines import LINE_LIMIT
from danlu.data.record import Record
from danlu.refusal import Refusal

Fields = tuple[int, list[str]]
"""The number of the line at which a row begins, and the texts of its fields."""

Lines = Iterable[tuple[int, str]]

DELIMITERS = (",", ";", "\t", "|")
"""What separates fields in files named csv, the likeliest first: Excel takes what the language of the system has."""

_SAMPLE = 20  # rows by which a delimiter is told

ROW_LIMIT = 100_000
"""Lines that a quoted field may go over; what has more is a quote that was never closed."""


class _Watched:
    """Lines of one row after the other; remembers those of the present row."""

    def __init__(self, lines: Lines) -> None:
        self._lines = iter(lines)
        self._again: list[tuple[int, str]] = []
        self.row: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[str]:
        while True:
            item = self._again.pop() if self._again else next(self._lines, None)
            if item is None:
                return
            self.row.append(item)
            if len(self.row) > ROW_LIMIT:
                raise csv.Error(f"a quoted field goes over more than {ROW_LIMIT:,} lines")
            yield item[1]

    def again(self, item: tuple[int, str]) -> None:
        """Give a line anew before the others."""
        self._again.append(item)


def quoted_rows(lines: Lines, delimiter: str, name: str, bad_rows: BadRows) -> Iterator[Fields]:
    """Yield the rows of a table with quotes by RFC 4180 (2005); quoted fields may hold delimiters and line ends.

    Where quotes are wrong, the line at which the row begins is the bad row, and the next line begins anew. A quote
    that is open there as well would run into the same end, so every line is looked at three times at most.

    Raises:
        Refusal: a bad row, unless `bad_rows` takes it; names the file and the line at which the row begins.
    """
    csv.field_size_limit(LINE_LIMIT)
    watched = _Watched(lines)
    while True:
        reader = csv.reader(watched, delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if row:
                    yield watched.row[0][0], row
                watched.row.clear()
        except csv.Error as error:
            first, *others = watched.row
            watched.row = []
            _reject(first, error, name, bad_rows)
            for item in others[:-1]:
                try:
                    alone = next(csv.reader([item[1]], delimiter=delimiter, strict=True))
                except csv.Error as unclosed:
                    _reject(item, unclosed, name, bad_rows)
                else:
                    if alone:
                        yield item[0], alone
            if others:
                watched.again(others[-1])
        else:
            return


def _reject(item: tuple[int, str], error: csv.Error, name: str, bad_rows: BadRows) -> None:
    number, line = item
    bad_rows.reject(
        name,
        f"line {number}",
        f'this row is no table row ({error}); double the quotes inside a field ("") and close every quoted field',
        line,
    )


def plain_rows(lines: Lines, delimiter: str) -> Iterator[Fields]:
    """Yield the rows of a table without quotes: a quote is a character like any other."""
    for number, line in lines:
        bare = line.rstrip("\r\n")
        if bare:
            yield number, bare.split(delimiter)


def told_delimiter(lines: Lines, columns: int | None) -> tuple[str, Lines]:
    """What separates the fields of a table with quotes, and its rows' lines.

    The first line may say it, as Excel reads it: `sep=;`. Else it is what cuts the first rows into equally many
    fields, of several the one that is likelier; with `columns`, into so many.
    """
    lines = iter(lines)
    head = list(islice(lines, 1))
    if head and (stated := head[0][1].strip()).lower().startswith("sep=") and len(stated) == 5:
        return stated[-1], lines
    if head and head[0][1].rstrip("\r\n").lower() == "sep=\t":
        return "\t", lines
    head += islice(lines, _SAMPLE - 1)
    counts = {sign: _counted(head, sign) for sign in DELIMITERS}
    first = [sign for sign, found in counts.items() if found]
    even = [sign for sign in first if len(set(counts[sign])) == 1]
    fitting = [sign for sign in (*even, *first) if (counts[sign][0] == columns if columns else counts[sign][0] > 1)]
    return next(iter(fitting), ","), chain(head, lines)


def _counted(lines: Sequence[tuple[int, str]], delimiter: str) -> list[int]:
    """The number of fields of each row, without empty ones at its end; 0 for one that is wrong, which is the last."""
    found = []
    try:
        for row in csv.reader((line for _, line in lines), delimiter=delimiter, strict=True):
            if any(field.strip() for field in row):
                found.append(len(_without_end(row, 1)))  # noqa: PERF401  (an error ends it)
    except csv.Error as error:
        if "unexpected end" not in str(error):  # else the sample ends within a row
            found.append(0)
    return found


def _without_end(row: list[str], count: int) -> list[str]:
    """The fields without the empty ones behind the first `count`, as spreadsheets write them."""
    end = len(row)
    while end > count and not row[end - 1].strip():
        end -= 1
    return row[:end]


def named_rows(
    rows: Iterator[Fields],
    header: Sequence[str] | None,
    name: str,
    bad_rows: BadRows,
    *,
    join_with: str | None = None,
) -> Iterator[tuple[int, Record]]:
    """Yield rows as records; the names come from `header`, or from the first row if it is None.

    With `join_with`, fields beyond the last column are joined to it again by this text. Columns behind the last
    with a name are left out where they are empty, and so are rows of blanks.

    Raises:
        Refusal: a name occurs twice; or a row has more or fewer fields than there are names, unless `bad_rows`
            takes it.
    """
    if header is None:
        _, header = next((row for row in rows if any(field.strip() for field in row[1])), (0, []))
    names = _without_end([column.strip() for column in header], 1)
    twice = next((column for column, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise Refusal(f"{name}, line 1: two columns are named '{twice}'; name each column once")
    count = len(names)
    for number, given in rows:
        fields = given
        if join_with is not None and len(fields) > count:
            fields = [*fields[: count - 1], join_with.join(fields[count - 1 :])]
        elif len(fields) > count:
            fields = _without_end(fields, count)
        if len(given) != count and not any(field.strip() for field in given):
            bad_rows.mend("rows of blanks left out")
        elif len(fields) == count:
            yield number, dict(zip(names, fields, strict=True))
        else:
            bad_rows.reject(
                name,
                f"line {number}",
                f"{len(fields)} fields where {count} columns are named ({', '.join(names)}); mend the row, quote "
                "the fields that hold the separator, or name another 'delimiter'",
                fields,
            )


def grouped(
    rows: Iterator[tuple[int, Record]], by: str, collect: dict[str, str], name: str
) -> Iterator[tuple[int, Record]]:
    """Yield one record for all rows of the same value in `by`, in the order of the first of them.

    `collect` names the lists: `{"labels": "subject"}` makes `labels` of the different values of `subject`. A column
    that is not collected and differs within a group is left out of all records. Holds in memory a row a group, and
    the values that are collected.

    Raises:
        Refusal: a column is not there.
    """
    groups: dict[str, tuple[int, Record, dict[str, dict[str, None]]]] = {}
    differing = set(collect.values())
    for number, row in rows:
        for column in (by, *collect.values()):
            if column not in row:
                raise Refusal(
                    f"{name}, line {number}: there is no column '{column}' to group; the columns are: {', '.join(row)}"
                )
        found = groups.get(row[by])
        if found is None:
            groups[row[by]] = number, row, {new: {row[old]: None} for new, old in collect.items()}
            continue
        _, first, lists = found
        for new, old in collect.items():
            lists[new][row[old]] = None
        differing |= {column for column, value in row.items() if column not in differing and first[column] != value}
    for number, first, lists in groups.values():
        kept = {column: value for column, value in first.items() if column not in differing}
        yield number, kept | {new: list(values) for new, values in lists.items()}
