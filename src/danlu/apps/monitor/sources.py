"""Where texts are fetched from: each source by one process at a time, and again after a while.

What a source has given and the note that it did so are one transaction, so a process that is killed fetches it anew.
"""

import json
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sql

from danlu.apps.monitor.item import Item
from danlu.apps.monitor.store import Kept, Store
from danlu.apps.monitor.tables import SOURCES
from danlu.machine.database import Unreachable
from danlu.machine.web import Failed

TOLD_AFTER = 3
"""Failures in a row after which that is told again; the first is told at once."""

LONGEST_WAIT = 6 * 3600.0
"""Seconds until a source that fails is asked again at most."""


@dataclass(frozen=True)
class Given:
    """What a source has given: items, what tells the next time that nothing is new, and what a person should hear.

    `expects_known`: whether it gives again what it gave before, so that nobody need hear of items that are known.
    """

    items: Sequence[Item]
    mark: Any = None
    told: Sequence[str] = ()
    expects_known: bool = True


class Source(Protocol):
    """A feed or a file."""

    @property
    def name(self) -> str:
        """By what it is known, and called."""

    def fetch(self, mark: Any) -> Given | None:
        """What it has now; None where nothing is new since `mark`. Raises `Failed` where it cannot be had."""


@dataclass
class Sources:
    """Fetches what is due.

    - `every`: seconds between two looks at a source; `lease`: seconds that a look may take.
    """

    store: Store
    every: float
    lease: float = 120.0
    say: Callable[[str], object] = print

    def fetch_due(self, sources: Iterable[Source], clock: Callable[[], float]) -> int:
        """Fetch all that is due; gives how many new texts came. What is wrong with one source holds up no other."""
        new = 0
        for source in sources:
            row = self._taken(source.name)
            if row is None:
                continue
            try:
                given = source.fetch(json.loads(row.mark) if row.mark else None)
                kept = self._kept(source.name, given, clock())
            except Unreachable:
                raise
            except Exception as error:
                asked = error.after if isinstance(error, Failed) else None
                self._failed(source.name, row, _sentence(source.name, error), asked)
                continue
            if row.failures:
                self.say(f"{source.name}: can be read again")
            known = kept.known if given and not given.expects_known else 0
            for line in (*(given.told if given else ()), *told_of(replace(kept, known=known))):
                self.say(f"{source.name}: {line}")
            new += kept.new
        return new

    def _taken(self, name: str) -> Any:
        """The row of a source, taken for a while; None where it is not due, or another process has it."""
        with self.store.begin() as connection:
            now = self.store.clock(connection)
            first = {"name": name, "due": now, "failures": 0, "texts": 0}
            connection.execute(self.store.insert(SOURCES).values(**first).on_conflict_do_nothing())
            due = (SOURCES.c.due <= now) | (SOURCES.c.due > now + 2 * max(LONGEST_WAIT, self.every))
            free = SOURCES.c.until.is_(None) | (SOURCES.c.until < now) | (SOURCES.c.until > now + 2 * self.lease)
            ready = (SOURCES.c.name == name) & due & free
            taken = SOURCES.update().where(ready).values(holder=self.store.holder, until=now + self.lease)
            if connection.execute(taken).rowcount != 1:
                return None
            return connection.execute(sql.select(SOURCES).where(SOURCES.c.name == name)).one()

    def _kept(self, name: str, given: Given | None, now: float) -> Kept:
        with self.store.begin() as connection:
            kept = self.store.put_within(connection, given.items, now) if given else Kept()
            clock = self.store.clock(connection)
            values: dict[str, Any] = {"failures": 0, "error": None, "succeeded": clock, "until": None}
            values |= {"due": clock + self.every, "texts": SOURCES.c.texts + kept.new}
            if given:
                values["mark"] = json.dumps(given.mark)
            connection.execute(self._mine(name).values(**values))
        return kept

    def _failed(self, name: str, row: Any, error: str, asked: float | None) -> None:
        """Note a failure; the source may have asked for so many seconds of patience."""
        failures, longest = row.failures + 1, max(LONGEST_WAIT, self.every)
        wait = min(max(max(60.0, self.every / 4) * 2 ** min(failures - 1, 20), asked or 0.0), longest)
        with self.store.begin() as connection:
            due = self.store.clock(connection) + wait
            connection.execute(self._mine(name).values(failures=failures, error=error, until=None, due=due))
        if failures in (1, TOLD_AFTER):
            again = "" if failures == 1 else f", {failures} times in a row"
            self.say(f"{error}{again}; it is asked again in {wait / 60:.0f} minutes")

    def _mine(self, name: str) -> Any:
        return SOURCES.update().where((SOURCES.c.name == name) & (SOURCES.c.holder == self.store.holder))


def _sentence(name: str, error: Exception) -> str:
    """What has failed; what an error that nobody thought of says may hold a text, and its kind and place are told."""
    if isinstance(error, Failed):
        return str(error)
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{name}: cannot be read ({type(error).__name__} at {Path(frame.filename).name}:{frame.lineno})"


def told_of(kept: Kept) -> list[str]:
    """What a person should hear of items that were odd."""
    lines = {
        "known": "{} texts are known already, with their id, date and text, and are left out",
        "undated": "{} texts tell no time, and count as of now",
        "future": "{} texts say that they come from the future, and count as of now",
        "odd": "{} texts tell a time that cannot be, and count as of now",
        "cut": "{} texts are very long, and were cut",
    }
    return [line.format(getattr(kept, name)) for name, line in lines.items() if getattr(kept, name)]
