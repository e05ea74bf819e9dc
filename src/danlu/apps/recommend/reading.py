"""Items and behaviour from files that a format reads: csv, json lines, parquet; columns as people name them."""

import math
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
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
_PERHAPS_TIME = ("event_time", "created_at", "datetime", "ts")
"""Columns that may hold something else; what is no time there is nothing."""
TIME = ("time", "timestamp", "published", "date", *_PERHAPS_TIME)
USER = ("user", "user_id")
ACTION = ("action", "event", "behaviour", "behavior", "event_type", "behavior_type", "behaviour_type")
OF_ITEMS = (ITEM, TITLE, TEXT, TIME)
OF_DEEDS = (USER, ITEM, ACTION, TIME)


Former = Mapping[str, Collection[str]]
"""Of items and of users the names that an earlier version took as they were written, such as 3.0."""
_NO_FORMER: Former = MappingProxyType({})


def former_of(items: Collection[str], users: Collection[str]) -> Former:
    """Those of the names which are known that would be read otherwise now, and are not known so as well."""
    known = {ITEM[0]: items, USER[0]: users}
    return {
        kind: {name for name in names if (plain := name.strip().removesuffix(".0")) != name and plain not in names}
        for kind, names in known.items()
    }


@dataclass
class Heard:
    """Which column of a file was read as what, and how many of its rows tell no action, and no time."""

    wanted: tuple[tuple[str, ...], ...]
    columns: dict[str, str] = field(default_factory=dict)
    without_action: int = 0
    without_time: int = 0

    def look(self, row: Mapping[str, Any]) -> None:
        """See by what names a row has what was not seen yet."""
        for names in self.wanted:
            if names[0] not in self.columns and (found := _named(row, names)):
                self.columns[names[0]] = found

    def in_words(self) -> str:
        """What was read as what; nothing where all columns that there are have the usual names."""
        if all(name == column for name, column in self.columns.items()):
            return ""
        return ", ".join(f"{column} → {name}" for name, column in self.columns.items())

    def lacking(self) -> str:
        """What no column was read as."""
        return ", ".join(names[0] for names in self.wanted if names[0] not in self.columns)


def items_of(path: str, bad_rows: BadRows, heard: Heard | None = None, former: Former = _NO_FORMER) -> Iterator[Item]:
    """The items of a file; rows that are none go to `bad_rows`, what the others leave out is counted in `heard`.

    `former` are names that stay as they are written in a file.

    Raises:
        Refusal: the file cannot be read, or has no column that names items, or none with words.
    """
    heard = heard or Heard(OF_ITEMS)
    for number, row in _rows(path, bad_rows, (ITEM, (*TITLE, *TEXT)), heard):
        try:
            found = Item(_name(row, ITEM, former), _text(row, TITLE), _text(row, TEXT), _moment(row))
        except Refusal as refusal:
            bad_rows.reject(path, f"row {number:,}", str(refusal), row)
            continue
        heard.without_time += found.time is None
        yield found


def deeds_of(
    path: str,
    weights: Weights,
    undated: Callable[[str, str, str], float],
    bad_rows: BadRows,
    heard: Heard | None = None,
    former: Former = _NO_FORMER,
) -> Iterator[Deed]:
    """The behaviour of a file; a row without an action is of the lightest.

    `undated` gives the time of a row without one, from its user, item and action; `heard` counts such rows;
    `former` are names that stay as they are written in a file.

    Raises:
        Refusal: the file cannot be read, or has no column that names users, or none that names items.
    """
    heard = heard or Heard(OF_DEEDS)
    for number, row in _rows(path, bad_rows, (USER, ITEM), heard):
        try:
            told, time = _name(row, ACTION), _moment(row)
            action = told or weights.lightest
            _refuse_unknown(action, weights)
            user, item = _name(row, USER, former), _name(row, ITEM, former)
            found = Deed(user, item, action, undated(user, item, action) if time is None else time)
        except Refusal as refusal:
            bad_rows.reject(path, f"row {number:,}", str(refusal), row)
            continue
        heard.without_action += not told
        heard.without_time += time is None
        yield found


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
    found = _seconds(value)
    if found is None:
        told = f"the time '{str(value)[:40]}' is none; write seconds since 1970, or 2026-11-27T08:00:00+08:00"
        raise Refusal(told)
    return found


def _seconds(value: Any) -> float | None:
    plain = value.removesuffix(" UTC") if isinstance(value, str) else value  # as logs of shops have it
    return seconds_of(plain, milliseconds=MILLISECONDS)


def _moment(row: Mapping[str, Any]) -> float | None:
    """The time that a row tells; None where it tells none."""
    name = _named(row, TIME)
    value = None if name is None else row[name]
    if value is None or value == "":
        return None
    return _seconds(value) if name in _PERHAPS_TIME else moment_in(value)


def _rows(
    path: str, bad_rows: BadRows, needed: tuple[tuple[str, ...], ...], heard: Heard
) -> Iterator[tuple[int, Mapping[str, Any]]]:
    rows = guess(path, settings=["on_bad_row=skip"]).read(bad_rows=bad_rows)
    for number, row in enumerate(rows, 1):
        names = {str(name).strip().lower(): value for name, value in row.items()}
        for each in needed if number == 1 else ():
            if not any(name in names for name in each):
                raise Refusal(
                    f"{path}: has no column '{each[0]}' ({', '.join(each)}); its columns are: "
                    f"{', '.join(map(str, row))[:200]}"
                )
        heard.look(names)
        yield number, names


def _named(row: Mapping[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of some columns that says something."""
    return next((name for name in names if row.get(name) is not None), None)


def _of(row: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    name = _named(row, names)
    return None if name is None else row[name]


def _name(row: Mapping[str, Any], names: tuple[str, ...], former: Former = _NO_FORMER) -> str:
    """What tells a user, an item or an action apart: 3.0 is 3, and blanks around it are nothing."""
    value = _of(row, names)
    if isinstance(value, bool) or (isinstance(value, float) and not math.isfinite(value)):
        raise Refusal(f"'{names[0]}' is {str(value).lower()}; expected a text or a whole number")
    text = _text(row, names)
    if text in former.get(names[0], ()):
        return text
    return str(int(value)) if isinstance(value, float) and value.is_integer() else text.strip()


def _text(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    value = _of(row, names)
    if isinstance(value, list | dict):
        raise Refusal(f"'{names[0]}' is a list or an object; expected a text")
    return "" if value is None else str(value)
