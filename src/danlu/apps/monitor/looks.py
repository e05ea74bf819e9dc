"""Whether all sources were looked at since a monitor began, or since it stood still: before that no step is over.

What was written while nobody looked still stands in them; once its steps are closed it comes too late to be heard.
"""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field

import sqlalchemy as sql

from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import SOURCES

LONGEST = 600.0
"""Seconds for which sources are waited for: some may be down, or slow."""


@dataclass
class Looks:
    """The looks of one process at sources, by kind.

    - `kinds`: those that there are; `still`: seconds without work after which all are looked at before anything else.
    """

    store: Store
    kinds: Collection[str]
    still: float
    _pauses: int = 0
    _looked: dict[str, int] = field(default_factory=dict)  # by kind, after how many pauses its last whole look began
    _since: float = field(default_factory=time.monotonic)
    _worked: float | None = None
    _complete: bool = False
    _caught_up: bool = False

    def look(self, kind: str, fetch: Callable[[], object]) -> None:
        """Look at all sources of a kind; what fails as a whole is no look."""
        begun = self._pauses
        fetch()
        self._looked[kind] = begun

    def complete(self, now: float) -> bool:
        """Whether what there was to be fetched at a time is there, as far as it can be."""
        if self._worked is not None and abs(now - self._worked) > self.still:
            self._pauses, self._worked, self._since = self._pauses + 1, now, time.monotonic()
            self._complete = self._caught_up = False
        if not self._complete:
            whole = all(self._looked.get(kind) == self._pauses for kind in self.kinds)
            self._complete = (whole and not self._held()) or self._waited()
        return self._complete

    def caught_up(self) -> bool:
        """Whether all that was there when the looks were complete has been judged."""
        return self._caught_up or self._waited()

    def worked(self, now: float, *, all_judged: bool) -> None:
        """Note that there was work at a time, or none to do, and whether all that had come before was judged."""
        self._worked = now
        self._caught_up = self._caught_up or (self._complete and all_judged)

    def _waited(self) -> bool:
        return time.monotonic() - self._since >= LONGEST

    def _held(self) -> bool:
        """Whether another process is reading a source, which this one has left to it."""
        with self.store.reading() as connection:
            held = (SOURCES.c.until >= self.store.clock(connection)) & (SOURCES.c.holder != self.store.holder)
            return connection.execute(sql.select(SOURCES.c.name).where(held).limit(1)).first() is not None
