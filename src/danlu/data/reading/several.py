"""Cells of tables that hold several values, and columns of 0 and 1 that are one value each, as lists."""

import ast
import io
from collections.abc import Iterator, Mapping, Sequence
from token import STRING
from tokenize import TokenError, generate_tokens

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.json_text import parse
from danlu.data.record import Record
from danlu.recipe.part import nearest
from danlu.refusal import Refusal

LITERAL = "list"
"""Instead of a sign: the cell is written as a list of JSON or Python."""

_LONGEST = 100_000  # characters of such a list
_YES = {"1", "1.0", "true", "yes", "y", "x", "√", "是"}
_NO = {"", "0", "0.0", "false", "no", "n", "否"}


def with_lists(
    rows: Iterator[tuple[int, Record]],
    lists: Mapping[str, str],
    flags: Mapping[str, Sequence[str]],
    name: str,
    bad_rows: BadRows,
) -> Iterator[tuple[int, Record]]:
    """Yield rows with the cells of `lists` cut where their sign stands, and the columns of `flags` as one list.

    `{"labels": "|"}` makes `["price", "fuel"]` of `price|fuel`, and `[]` of an empty cell; `{"labels": ["price",
    "fuel"]}` the same of two columns that hold 1.

    Raises:
        Refusal: a column is not there, or a cell is neither, unless `bad_rows` takes the row.
    """
    asked = [*lists, *(column for columns in flags.values() for column in columns)]
    for number, row in rows:
        if absent := next((column for column in asked if column not in row), None):
            raise Refusal(
                f"{name}, line {number}: there is no column '{absent}' to make a list of"
                f"{nearest(absent, list(row))}; the columns are: {', '.join(row)}"
            )
        try:
            found = {column: cut(row[column], sign) for column, sign in lists.items()}
            marked = {new: [old for old in columns if _holds(old, row[old])] for new, columns in flags.items()}
        except ValueError as error:
            bad_rows.reject(name, f"line {number}", str(error), row)
            continue
        used = {column for columns in flags.values() for column in columns}
        yield number, {column: value for column, value in row.items() if column not in used} | found | marked


def cut(cell: str, sign: str) -> list[str]:
    """The values of a cell, without the blanks around them.

    Raises `ValueError` for one that should be a list and is none.
    """
    parts = _written(cell) if sign == LITERAL else cell.split(sign)
    return [part for each in parts if (part := str(each).strip())]


def _written(cell: str) -> Sequence[object]:
    """A list as JSON or Python write it, or texts as NumPy does, without commas; an empty cell is an empty one."""
    if not cell.strip():
        return []
    value, texts = _parsed(cell), list[str]()
    if isinstance(value, list) and all(isinstance(each, str | int | float | None) for each in value):
        return [each for each in value if each is not None]
    try:
        if len(cell) <= _LONGEST:
            value = ast.literal_eval(cell.strip())
            tokens = generate_tokens(io.StringIO(cell.strip()).readline)
            texts = [ast.literal_eval(token.string) for token in tokens if token.type == STRING]
    except (ValueError, SyntaxError, TokenError, MemoryError, RecursionError):
        value = None
    if isinstance(value, list) and len(texts) > len(value):  # Python joins texts that have no comma between them
        return texts
    if not isinstance(value, list | tuple) or not all(isinstance(each, str | int | float) for each in value):
        raise ValueError(f"'{cell[:40]}' is no list such as ['a', 'b']; mend it, or name the sign between the values")
    return value


def _parsed(cell: str) -> object:
    try:
        return parse(cell, "list")
    except Refusal:
        return None


def _holds(column: str, cell: str) -> bool:
    value = cell.strip().lower()
    if value not in _YES and value not in _NO:
        raise ValueError(f"column '{column}' holds '{cell[:40]}', neither 0 nor 1; mend it, or take it out of 'flags'")
    return value in _YES
