"""Rows of a table in text: fields separated by a character, with or without quotes."""

import csv
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Sequence

from danlu.data.bad_rows import BadRows
from danlu.data.lines import LINE_LIMIT
from danlu.data.record import Record
from danlu.refusal import Refusal

Fields = tuple[int, list[str]]
"""The number of the line at which a row begins, and the texts of its fields."""

Lines = Iterable[tuple[int, str]]


class _Replayed:
    """Lines that can be given again from the second line of a row on; remembers where the row began."""

    def __init__(self, lines: Lines) -> None:
        self._lines = iter(lines)
        self._again: deque[tuple[int, str]] = deque()
        self.row: list[tuple[int, str]] = []

    def __iter__(self) -> Iterator[str]:
        while True:
            item = self._again.popleft() if self._again else next(self._lines, None)
            if item is None:
                return
            self.row.append(item)
            yield item[1]

    def give_again(self) -> tuple[int, str]:
        """Leave out the first line of the row, give the others anew; returns the first."""
        first, *others = self.row
        self._again.extendleft(reversed(others))
        self.row = []
        return first


def quoted_rows(lines: Lines, delimiter: str, name: str, bad_rows: BadRows) -> Iterator[Fields]:
    """Yield the rows of a table with quotes by RFC 4180 (2005); quoted fields may hold delimiters and line ends.

    Where quotes are wrong, the line at which the row begins is the bad row, and the next line begins anew.

    Raises:
        Refusal: a bad row, unless `bad_rows` takes it; names the file and the line at which the row begins.
    """
    csv.field_size_limit(LINE_LIMIT)
    replayed = _Replayed(lines)
    while True:
        reader = csv.reader(replayed, delimiter=delimiter, strict=True)
        try:
            for row in reader:
                if row:
                    yield replayed.row[0][0], row
                replayed.row.clear()
        except csv.Error as error:
            number, line = replayed.give_again()
            bad_rows.reject(
                name,
                f"line {number}",
                f'this row is no table row ({error}); double the quotes inside a field ("") and close every quoted '
                "field",
                line,
            )
        else:
            return


def plain_rows(lines: Lines, delimiter: str) -> Iterator[Fields]:
    """Yield the rows of a table without quotes: a quote is a character like any other."""
    for number, line in lines:
        bare = line.rstrip("\r\n")
        if bare:
            yield number, bare.split(delimiter)


def named_rows(
    rows: Iterator[Fields],
    header: Sequence[str] | None,
    name: str,
    bad_rows: BadRows,
    *,
    join_with: str | None = None,
) -> Iterator[tuple[int, Record]]:
    """Yield rows as records; the names come from `header`, or from the first row if it is None.

    With `join_with`, fields beyond the last column are joined to it again by this text.

    Raises:
        Refusal: a name occurs twice; or a row has more or fewer fields than there are names, unless `bad_rows`
            takes it.
    """
    if header is None:
        _, header = next(rows, (0, []))
    names = [column.strip() for column in header]
    twice = next((column for column, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise Refusal(f"{name}, line 1: two columns are named '{twice}'; name each column once")
    count = len(names)
    for number, given in rows:
        fields = given
        if join_with is not None and len(fields) > count:
            fields = [*fields[: count - 1], join_with.join(fields[count - 1 :])]
        if len(fields) == count:
            yield number, dict(zip(names, fields, strict=True))
        else:
            bad_rows.reject(
                name,
                f"line {number}",
                f"{len(fields)} fields where {count} columns are named ({', '.join(names)}); mend the row, or quote "
                "the fields that hold the separator",
                fields,
            )


def grouped(
    rows: Iterator[tuple[int, Record]], by: str, collect: dict[str, str], name: str
) -> Iterator[tuple[int, Record]]:
    """Yield one record for all rows of the same value in `by`, in the order of the first of them.

    `collect` names the lists: `{"labels": "subject"}` makes `labels` of the different values of `subject`. A column
    that is not collected and differs within a group is left out of all records. Holds the table in memory.

    Raises:
        Refusal: a column is not there.
    """
    groups: dict[str, tuple[int, Record]] = {}
    differing = set(collect.values())
    for number, row in rows:
        for column in (by, *collect.values()):
            if column not in row:
                raise Refusal(
                    f"{name}, line {number}: there is no column '{column}' to group; the columns are: {', '.join(row)}"
                )
        found = groups.get(row[by])
        if found is None:
            lists = {new: [row[old]] for new, old in collect.items()}
            groups[row[by]] = number, row | lists
            continue
        kept = found[1]
        for new, old in collect.items():
            if row[old] not in kept[new]:
                kept[new].append(row[old])
        differing |= {column for column, value in row.items() if column not in collect and kept[column] != value}
    for number, record in groups.values():
        yield (
            number,
            {column: value for column, value in record.items() if column in collect or column not in differing},
        )
