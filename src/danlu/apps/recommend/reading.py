"""Items and behaviour from files that a format reads: csv, json lines, parquet; columns as people name them."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from danlu.apps.recommend.deed import Deed, Weights
from danlu.apps.recommend.item import Item
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import guess
from danlu.data.splitting.times import MILLISECONDS, seconds_of
from danlu.recipe.part import nearest
from danlu.refusal import Refusal

ITEM = ("item", "item_id", "id")
TITLE = ("title", "headline", "name")
TEXT = ("text", "content", "body", "description")
TIME = ("time", "timestamp", "published", "date")
USER = ("user", "user_id")
ACTION = ("action", "event", "behaviour", "behavior")


def items_of(path: str, bad_rows: BadRows) -> Iterator[Item]:
    """The items of a file; rows that are none go to `bad_rows`.

    Raises:
        Refusal: the file cannot be read, or has no column that names items, or none with words.
    """
    for number, row in _rows(path, bad_rows, (ITEM, (*TITLE, *TEXT))):
        try:
            time = _of(row, TIME)
            yield Item(
                _text(row, ITEM), _text(row, TITLE), _text(row, TEXT), None if time in (None, "") else moment_in(time)
            )
        except Refusal as refusal:
            bad_rows.reject(path, f"row {number:,}", str(refusal), row)


def deeds_of(
    path: str, weights: Weights, undated: Callable[[str, str, str], float], bad_rows: BadRows
) -> Iterator[Deed]:
    """The behaviour of a file; a row without an action is of the lightest.

    `undated` gives the time of a row without one, from its user, item and action.

    Raises:
        Refusal: the file cannot be read, or has no column that names users, or none that names items.
    """
    lightest = min(weights.units, key=lambda action: weights.units[action])
    for number, row in _rows(path, bad_rows, (USER, ITEM)):
        try:
            action, time = _text(row, ACTION).strip() or lightest, _of(row, TIME)
            _refuse_unknown(action, weights)
            user, item = _text(row, USER), _text(row, ITEM)
            yield Deed(user, item, action, undated(user, item, action) if time in (None, "") else moment_in(time))
        except Refusal as refusal:
            bad_rows.reject(path, f"row {number:,}", str(refusal), row)


def _refuse_unknown(action: str, weights: Weights) -> None:
    if weights.of(action) is None:
        raise Refusal(
            f"the action '{action[:40]}' has no weight{nearest(action[:40], list(weights.units)) or ';'} "
            f"write it to --weights, beside {', '.join(weights.units)}"
        )


def moment_in(value: Any) -> float:
    """Seconds since 1970 of a number of seconds or milliseconds, or of a date, which is in UTC unless it says.

    Raises:
        Refusal: it is none.
    """
    found = seconds_of(value, milliseconds=MILLISECONDS)
    if found is None:
        told = f"the time '{str(value)[:40]}' is none; write seconds since 1970, or 2026-11-27T08:00:00+08:00"
        raise Refusal(told)
    return found


def _rows(path: str, bad_rows: BadRows, needed: tuple[tuple[str, ...], ...]) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = guess(path, settings=["on_bad_row=skip"]).read(bad_rows=bad_rows)
    for number, row in enumerate(rows, 1):
        names = {str(name).strip().lower(): value for name, value in row.items()}
        for each in needed if number == 1 else ():
            if not any(name in names for name in each):
                raise Refusal(
                    f"{path}: has no column '{each[0]}' ({', '.join(each)}); its columns are: "
                    f"{', '.join(map(str, row))[:200]}"
                )
        yield number, names


def _of(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((row[name] for name in names if row.get(name) is not None), None)


def _text(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    value = _of(row, names)
    if isinstance(value, list | dict):
        raise Refusal(f"'{names[0]}' is a list or an object; expected a text")
    return "" if value is None else str(value)
