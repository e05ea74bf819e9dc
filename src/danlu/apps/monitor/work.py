"""Texts that wait are judged and counted, and steps that are over are looked at for changes.

One process at a time does this, whoever has the lease `WORK`; all of a block of texts is one transaction, and so is all
that comes of steps that are over: counts that the detectors have heard, their state, alerts, and what is to be sent.
"""

import json
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sql

from danlu.apps.monitor import leases
from danlu.apps.monitor.alarm import Alarm
from danlu.apps.monitor.detector import Change, Detector
from danlu.apps.monitor.facts import key_of
from danlu.apps.monitor.folding import Folding
from danlu.apps.monitor.forgetting import forget
from danlu.apps.monitor.judging import Given, Judge, Judged
from danlu.apps.monitor.looks import Looks
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import ALERTS, COUNTS, FACTS, OUTBOX, TEXTS, TOPICS
from danlu.apps.monitor.texts import JUDGED, LATE, counted_in, counted_topics, remembered, row_of, waiting

WORK = "work"
CLOSED = "closed"
DETECTOR = "detector "
"""Names of a lease and of facts: the last step looked at, and, with the topic, a detector."""

BLOCK = 512
"""Texts that are judged together."""

MOST_TOPICS = 1000
"""Topics of one monitor."""

SETTLED = 10.0
"""Seconds in which nothing has come, after which a new monitor begins to look: it may be given a history in parts."""

PATIENT = 600.0
"""Seconds after its first text from which a new monitor looks in any case: where texts never pause, it would never."""


@dataclass
class Worker:
    """Does the work of one database.

    - `channels`: where alerts are sent; `lease`: seconds for which a process that has ended is waited for.
    - `looks`: the looks at sources, before which no step is closed; None: there are none to wait for.
    - `settled`: see `SETTLED`; `keep`: days after which texts are forgotten; None: never.
    - `stopping` says whether texts that wait are left to who comes next.
    - `say` gets what a person should hear; `watch` the name of each part of the work when it is done.
    """

    store: Store
    judge: Judge
    alarm: Alarm
    channels: Sequence[str] = ()
    lease: float = 30.0
    settled: float = SETTLED
    keep: int | None = None
    looks: Looks | None = None
    stopping: Callable[[], bool] = bool
    say: Callable[[str], object] = print
    watch: Callable[[str], object] = str
    _folding: Folding | None = field(default=None, repr=False)
    _topics: set[str] = field(default_factory=set, repr=False)
    _behind: bool = field(default=False, repr=False)
    _many: bool = field(default=False, repr=False)

    def work(self, now: float) -> int:
        """Do what there is to do; gives how many texts were judged. Raises `Unreachable` where the database is."""
        judged, all_judged = 0, False
        complete = self.looks is None or self.looks.complete(now)  # before what came is judged, not after
        while not self.stopping() and (count := self.block()) is not None:
            judged += count
            if all_judged := count < BLOCK:
                if complete:
                    self.close(now)
                self._forget(now)
                break
            if self.looks is None or self.looks.caught_up():
                self._close_before_backlog()
        if self.looks is not None:
            self.looks.worked(now, all_judged=all_judged)
        return judged

    def _close_before_backlog(self) -> None:
        """Look at the steps that were over when the first of the texts came that still wait: all before it are counted.

        Of a new monitor nothing, as it may be given its history.
        """
        first = sql.select(TEXTS.c.came).where(~TEXTS.c.judged).order_by(TEXTS.c.id).limit(1)
        with self.store.reading() as connection:
            came, closed = connection.execute(first).scalar(), self.store.fact(connection, CLOSED)
        if came is not None and closed is not None and self._last(came) > closed:
            self.close(came)

    def _last(self, now: float) -> int:
        """The last step that is over at a time."""
        return int((now - self.alarm.patience) // self.alarm.step) - 1

    def _forget(self, now: float) -> None:
        """Forget texts that came long ago, some at a time: of each stays by what it is known, and its counts."""
        if self.keep is not None:
            with self.store.begin() as connection:
                if leases.renewed(self.store, connection, WORK, self.lease):
                    forget(self.store, connection, now - 86_400 * self.keep, self._topics)

    def block(self) -> int | None:
        """Judge some of the texts that wait; None: another process does it."""
        taken = leases.take(self.store, WORK, self.lease)
        if taken is None:
            return None
        try:
            if taken or self._folding is None:
                self._folding, self._topics = remembered(self.store), counted_topics(self.store)
            with self.store.reading() as connection:
                given = waiting(connection, BLOCK)
            self.watch("read")
            if given:
                with leases.kept(self.store, WORK, self.lease):
                    found = self.judge.judge(self._folding, given, self.watch)
                if not self._kept(given, found):
                    self._folding = None  # another has taken over while this process stood still
                    return None
                self.watch("write")
        except BaseException:
            self._folding = None  # it may remember texts that are to be judged again
            raise
        return len(given)

    def _admitted(self, topics: Sequence[str]) -> list[str]:
        """Topics without those that are too many: each has a detector, and whoever pushes texts may name any."""
        found = [topic for topic in topics if topic in self._topics or len(self._topics) < MOST_TOPICS]
        if len(found) < len(topics) and not self._many:
            self._many = True
            self.say(f"more than {MOST_TOPICS:,} topics are told; texts of further ones are counted without these")
        self._topics.update(found)
        return found

    def _kept(self, given: Sequence[Given], found: Sequence[Judged]) -> bool:
        """Whether what was found is kept: it is not where another process has the lease."""
        with self.store.begin() as connection:
            if not leases.renewed(self.store, connection, WORK, self.lease):
                return False
            closed, old = self.store.fact(connection, CLOSED), 0
            rows, topics, counts = [], [], defaultdict[tuple[str, int], Any](lambda: np.zeros(5, np.int64))
            for text, judged in zip(given, found, strict=True):
                step = int(text.date // self.alarm.step)
                counted = counted_in(step, closed, self.alarm.step) if judged.like is None else None
                old += judged.like is None and counted is None
                rows.append(row_of(text.number, judged, counted))
                admitted = self._admitted(judged.topics)
                topics += [{"topic": topic, "text": text.number} for topic in admitted]
                for topic in admitted:
                    if judged.like is None:
                        counts[topic, step] += (1, judged.negative, 0, 0, 0)
                    else:
                        counts[topic, step] += (0, 0, 1, 0, 0)
                    if counted is not None:
                        counts[topic, counted] += (0, 0, 0, 1, judged.negative)
            connection.execute(JUDGED, rows)
            connection.execute(self.store.insert(TOPICS).on_conflict_do_nothing(), topics)
            self._add(connection, counts)
        if old:
            self.say(f"{old:,} texts are more than a day old, and only kept: what was said then is over")
        return True

    def _add(self, connection: sql.Connection, counts: Mapping[tuple[str, int], Any]) -> None:
        names = ("texts", "negatives", "copies", "unheard", "unheard_negatives")
        rows = [
            {"topic": topic, "step": step} | dict(zip(names, numbers.tolist(), strict=True))
            for (topic, step), numbers in sorted(counts.items())
        ]
        insert = self.store.insert(COUNTS)
        more = {name: COUNTS.c[name] + insert.excluded[name] for name in names}
        connection.execute(insert.on_conflict_do_update(index_elements=["topic", "step"], set_=more), rows)

    def close(self, now: float) -> list[int]:
        """Look at all steps that are over at a time; gives the numbers of new alerts.

        What the detectors make of them is found out between two transactions: thresholds take a while, and others
        write meanwhile. Nobody but the holder of the lease changes what is read here.
        """
        last = self._last(now)
        due = (COUNTS.c.step <= last) & (COUNTS.c.unheard > 0)
        with self.store.begin() as connection:
            if not leases.renewed(self.store, connection, WORK, self.lease):
                return []
            closed = self.store.fact(connection, CLOSED)
            if closed is None and not self._is_settled(connection, now):
                return []
            back = closed is not None and last < closed
            waits = back and not self._is_long(closed - last)
            if closed is not None and (last == closed or waits):
                self._tell_behind(closed - last if waits else 0)
                return []
            rows = connection.execute(sql.select(COUNTS).where(due).order_by(COUNTS.c.step, COUNTS.c.topic)).all()
            detectors = self.detectors(connection) if rows or back else {}
        if back:
            self._set_back(detectors, closed, last)
        changes = self._changes(detectors, rows)
        changed = set(detectors) if back else {row.topic for row in rows}
        alerts: list[int] = []
        with self.store.begin() as connection:
            if changes is None or not leases.renewed(self.store, connection, WORK, self.lease):
                return []
            for topic, change in changes:
                past = closed is None and (change.step + 1) * self.alarm.step < now - LATE
                alerts += self._told(connection, topic, change, now, () if past else self.channels)
            for topic in sorted(changed):
                self.store.keep_fact(connection, DETECTOR + topic, detectors[topic].plain())
            if rows:
                connection.execute(COUNTS.update().where(due).values(unheard=0, unheard_negatives=0))
            self.store.keep_fact(connection, CLOSED, last)
        self.watch("close")
        return alerts

    def _is_settled(self, connection: sql.Connection, now: float) -> bool:
        """Whether there are texts, all judged and the last of them there for a while, or the first for long."""
        came = sql.select(sql.func.min(TEXTS.c.came), sql.func.max(TEXTS.c.came))
        first, last = connection.execute(came).one()
        if first is None or abs(now - first) >= PATIENT:
            return first is not None
        waits = sql.select(TEXTS.c.id).where(~TEXTS.c.judged).limit(1)  # come since the last block was judged
        return abs(now - last) >= self.settled and connection.execute(waits).first() is None

    def _is_long(self, steps: int) -> bool:
        """Whether a clock that is so many steps back is one that was set, and not one that waits for a while."""
        return steps * self.alarm.step > LATE + self.alarm.patience

    def _tell_behind(self, steps: int) -> None:
        """Say once of a clock that was set back why nothing is looked at; of a single step two clocks may differ."""
        if steps > 1 and not self._behind:
            hours = steps * self.alarm.step / 3600
            self.say(
                f"the clock is {hours:,.1f} hours behind what it said before; until it has caught up texts are kept, "
                "and no change is looked for"
            )
        self._behind = steps > 1

    def _set_back(self, detectors: Mapping[str, Detector], closed: int, last: int) -> None:
        """Go on from an earlier step: the clock was wrong when the later ones were looked at, or it is now."""
        hours = (closed - last) * self.alarm.step / 3600
        self.say(f"the clock is {hours:,.0f} hours behind what it said before; texts are counted as it says now")
        for detector in detectors.values():
            detector.set_back(last)

    def detectors(self, connection: sql.Connection) -> dict[str, Detector]:
        """The detectors by topic, as they were kept last."""
        rows = connection.execute(sql.select(FACTS).where(FACTS.c.name.startswith(DETECTOR, autoescape=True)))
        return {row.name.removeprefix(DETECTOR): Detector(**json.loads(row.value)) for row in rows}

    def _changes(self, detectors: dict[str, Detector], rows: Sequence[Any]) -> list[tuple[str, Change]] | None:
        """What the detectors say of counts, in order; None where another process has taken over meanwhile."""
        changes, renewed = [], time.monotonic()
        for row in rows:
            if time.monotonic() - renewed > self.lease / 3:
                if leases.take(self.store, WORK, self.lease) is not False:
                    return None
                renewed = time.monotonic()
            detector = detectors.setdefault(row.topic, Detector())
            step = row.step if detector.last is None else max(row.step, detector.last + 1)
            change = detector.step(step, row.unheard_negatives, row.unheard, self.alarm)
            if change is not None:
                changes.append((row.topic, change))
        return changes

    def _told(
        self, connection: sql.Connection, topic: str, change: Change, now: float, channels: Sequence[str]
    ) -> list[int]:
        """Keep an alert, and the messages that tell it; nobody is told what a history given at first says is past."""
        values = {
            "key": key_of(self.store, connection, topic, change),
            "topic": topic,
            "direction": change.direction,
            "step": change.step,
            "since": change.since,
            "told": json.dumps(asdict(change) | {"seconds": self.alarm.step}),
            "made": now,
        }
        insert = self.store.insert(ALERTS).values(**values).on_conflict_do_nothing(index_elements=["key"])
        number = connection.execute(insert.returning(ALERTS.c.id)).scalar_one_or_none()
        if number is None:
            return []
        due = self.store.clock(connection)
        rows = [{"alert": number, "channel": name, "made": due, "due": due} for name in channels]
        if rows:
            connection.execute(self.store.insert(OUTBOX).on_conflict_do_nothing(), rows)
        return [int(number)]
