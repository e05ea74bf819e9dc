"""Where texts are fetched from: each source by one process at a time, and again after a while.

What a source has given and the note that it did so are one transaction, so a process that is killed fetches it anew.
"""

import json
import traceback
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field, replace
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

GONE = 86_400.0
"""Seconds after which a source is forgotten that is none any more; its texts are known by their keys if it returns."""


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

    @property
    def stamp(self) -> object:
        """What is another as soon as anything is new in it; None where only `fetch` can tell."""

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
    _read: dict[str, object] = field(default_factory=dict, repr=False)  # stamps by name, of sources that were read
    _tried: dict[str, object] = field(default_factory=dict, repr=False)  # and of those that were read or failed

    def fetch_due(self, sources: Iterable[Source], clock: Callable[[], float]) -> int:
        """Fetch all that is due or has changed; gives how many new texts came.

        What is wrong with one source holds up no other.
        """
        new = 0
        for source in sources:
            name, stamp = source.name, source.stamp
            if stamp is not None and stamp == self._read.get(name):
                continue
            row = self._taken(name, changed=stamp is not None and stamp != self._tried.get(name))
            if row is None:
                continue
            self._tried[name] = stamp
            self._read.pop(name, None)
            try:
                given = source.fetch(json.loads(row.mark) if row.mark else None)
                kept = self._kept(name, given, clock())
            except Unreachable:
                raise
            except Exception as error:
                asked = error.after if isinstance(error, Failed) else None
                self._failed(name, row, _sentence(name, error), asked)
                continue
            self._read[name] = stamp
            if row.failures:
                self.say(f"{name}: can be read again")
            known = kept.known if given and not given.expects_known else 0
            for line in (*(given.told if given else ()), *told_of(replace(kept, known=known))):
                self.say(f"{name}: {line}")
            new += kept.new
        return new

    def _taken(self, name: str, *, changed: bool) -> Any:
        """The row of a source, taken for a while; None where it is neither due nor changed, or another has it."""
        with self.store.begin() as connection:
            now = self.store.clock(connection)
            first = {"name": name, "due": now, "failures": 0, "texts": 0}
            connection.execute(self.store.insert(SOURCES).values(**first).on_conflict_do_nothing())
            due = (SOURCES.c.due <= now) | (SOURCES.c.due > now + 2 * max(LONGEST_WAIT, self.every))
            free = SOURCES.c.until.is_(None) | (SOURCES.c.until < now) | (SOURCES.c.until > now + 2 * self.lease)
            ready = (SOURCES.c.name == name) & free if changed else (SOURCES.c.name == name) & due & free
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


def remove_gone(store: Store, names: Collection[str]) -> None:
    """Remove what is noted of sources that have long not been among those that there are."""
    with store.begin() as connection:
        now = store.clock(connection)
        free = sql.func.coalesce(SOURCES.c.until, 0.0) < now
        old = sql.select(SOURCES.c.name).where((SOURCES.c.due < now - GONE) & free)
        for name in set(connection.scalars(old)).difference(names):
            connection.execute(SOURCES.delete().where(SOURCES.c.name == name))


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
        "unread": "{} texts tell a sentiment that is no number, known label, yes or no, and are judged here",
    }
    return [line.format(getattr(kept, name)) for name, line in lines.items() if getattr(kept, name)]
