"""Where texts are fetched from: each source by one process at a time, and again after a while.

What a source has given and the note that it did so are one transaction, so a process that is killed fetches it anew.
"""

import json
import time
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

_AT_ONCE = 500
"""Sources of a statement."""


@dataclass(frozen=True)
class Given:
    """What a source has given: items, what tells the next time that nothing is new, and what a person should hear.

    `expects_known`: whether it gives again what it gave before, so that nobody need hear of items that are known.
    """

    items: Sequence[Item]
    mark: Any = None
    told: Sequence[str] = ()
    expects_known: bool = True


class Absent(Failed):
    """There is nothing where a source is to be; whatever is put there is seen at once."""


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
                self._failed(name, row, error)
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

    def note_seen(self, names: Collection[str]) -> None:
        """Note of sources at rest that they are there still, as nobody takes them."""
        rest = sorted(name for name in names if name in self._read)
        with self.store.begin() as connection:
            clock = self.store.clock(connection)
            for start in range(0, len(rest), _AT_ONCE):
                seen = SOURCES.c.name.in_(rest[start : start + _AT_ONCE]) & (SOURCES.c.failures == 0)
                connection.execute(SOURCES.update().where(seen).values(due=clock + self.every, succeeded=clock))

    def _failed(self, name: str, row: Any, problem: Exception) -> None:
        """Note a failure; the source may have asked for so many seconds of patience."""
        error, asked = _sentence(name, problem), problem.after if isinstance(problem, Failed) else None
        failures, longest = row.failures + 1, max(LONGEST_WAIT, self.every)
        wait = min(max(max(60.0, self.every / 4) * 2 ** min(failures - 1, 20), asked or 0.0), longest)
        with self.store.begin() as connection:
            due = self.store.clock(connection) + wait
            connection.execute(self._mine(name).values(failures=failures, error=error, until=None, due=due))
        if failures == 1:
            self.say(error if isinstance(problem, Absent) else f"{error}; it is asked again in {wait / 60:.0f} minutes")
        elif failures == TOLD_AFTER and not isinstance(problem, Absent):
            self.say(f"{error}, {failures} times in a row; it is asked again in {wait / 60:.0f} minutes")

    def _mine(self, name: str) -> Any:
        return SOURCES.update().where((SOURCES.c.name == name) & (SOURCES.c.holder == self.store.holder))


@dataclass
class Gone:
    """What this process misses, and since when: the place of a source may be away for a while, and come back."""

    store: Store
    clock: Callable[[], float] = time.monotonic
    _since: dict[str, float] = field(default_factory=dict, repr=False)

    def remove(self, names: Collection[str]) -> None:
        """Remove what is noted of sources that were long not among `names`, and that no other process has seen."""
        with self.store.begin() as connection:
            now, here = self.store.clock(connection), self.clock()
            missed = set(connection.scalars(sql.select(SOURCES.c.name))).difference(names)
            self._since = {name: self._since.get(name, here) for name in missed}
            unseen = (SOURCES.c.due < now - GONE) & (sql.func.coalesce(SOURCES.c.until, 0.0) < now)
            for name, since in self._since.items():
                if here - since >= GONE:
                    connection.execute(SOURCES.delete().where((SOURCES.c.name == name) & unseen))


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
        "unread": "{} texts tell a sentiment that is not understood, and are judged here",
    }
    return [line.format(getattr(kept, name)) for name, line in lines.items() if getattr(kept, name)]
