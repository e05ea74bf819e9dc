"""Messages: tried again after growing waits, told in the end, never lost, each sent once."""

import sqlite3
import sys
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sql

from danlu.apps.sending.outbox import (
    FAILED,
    FIRST_WAIT,
    LEASE,
    LONGEST_WAIT,
    SENT,
    TRIES,
    WAITING,
    Outbox,
    again,
    counts,
    messages,
    pause,
)
from danlu.machine.database import Database, Unreachable, address_of
from danlu.machine.web import Failed

TABLES = sql.MetaData()
TABLE = messages("outbox", TABLES, sql.Column("words", sql.Text, nullable=False))


class Desk:
    """One database, a clock, and a channel that takes what it is told to take."""

    def __init__(self, file: Path) -> None:
        self.file, self.now = file, 1e9
        self.stores = [self.opened()]
        self.answers: list[Exception | None] = []
        self.heard: list[str] = []
        self.lines: list[str] = []

    def opened(self, locked: float = 60.0) -> Database:
        return Database(address_of(f"sqlite:///{self.file}", "here", "serve", "a test", "x.db"), TABLES, locked)

    def keep(self, *words: str, channel: str = "hook") -> None:
        rows = [{"channel": channel, "words": each, "made": self.now, "due": self.now} for each in words]
        with self.stores[0].begin() as connection:
            connection.execute(TABLE.insert(), rows)

    def send(self, row: Any) -> None:
        self.heard.append(row.words)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer

    def box(self, store: Database | None = None, channels: Sequence[str] = ("hook",), **settings: Any) -> Outbox:
        sends = dict.fromkeys(channels, self.send)
        given = {"called": lambda row: row.words, "advice": "danlu again", "say": self.lines.append} | settings
        return Outbox(store or self.stores[0], TABLE, sends, clock=lambda _: self.now, chance=lambda: 0.5, **given)

    def counts(self) -> dict[str, int]:
        with self.stores[0].begin() as connection:
            return counts(connection, TABLE)

    def rows(self) -> list[Any]:
        with self.stores[0].begin() as connection:
            return list(connection.execute(TABLE.select().order_by(TABLE.c.id)))


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    found = Desk(tmp_path / "x.db")
    yield found
    for store in found.stores:
        store.close()


@pytest.fixture
def restless() -> Iterator[None]:
    """Threads take turns after a few instructions, as they do on a busy machine."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    yield
    sys.setswitchinterval(usual)


def test_each_is_sent_once_however_many_threads_and_processes_send(desk: Desk, restless: None) -> None:
    words = [str(number) for number in range(12)]
    desk.keep(*words)
    desk.keep("mail", channel="mail")
    desk.stores.append(desk.opened())
    boxes = [desk.box(), desk.box(desk.stores[1]), desk.box(channels=["mail"])]
    threads = [threading.Thread(target=box.send_due) for box in boxes * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(desk.heard) == sorted([*words, "mail"])
    assert desk.counts() == {WAITING: 0, SENT: 13, FAILED: 0}
    assert desk.lines == []


def test_what_fails_is_tried_after_growing_waits_then_told_and_can_be_sent_again(desk: Desk) -> None:
    desk.keep("a", "b")
    desk.answers = [Failed("not now")] * 10
    box, waits = desk.box(tries=5, first_wait=10.0), []
    for _ in range(5):
        assert box.send_due() == box.send_due() == 0, "the second time it is not due"
        waits.append(desk.rows()[0].due - desk.now)
        desk.now += waits[-1]
    assert waits[:4] == [10, 20, 40, 80]
    assert desk.heard == ["a", "b"] * 5
    assert desk.counts() == {WAITING: 0, SENT: 0, FAILED: 2}
    told = [line for line in desk.lines if line.startswith("hook: a ")]
    assert told == ["hook: a was not taken (not now); it is tried again"] * 2 + [
        "hook: a could not be sent in 5 tries (not now); it is given up, and sent again with: danlu again"
    ]
    assert again(desk.stores[0], TABLE, TABLE.c.words == "b") == 1
    desk.now = desk.rows()[1].due  # by the clock of the database, which is not this one
    desk.answers = [Failed("not now")]
    assert box.send_due() == 0
    desk.now += 10
    assert box.send_due() == 1
    assert desk.lines[-1] == "hook: takes messages again"
    assert desk.counts() == {WAITING: 0, SENT: 1, FAILED: 1}


def test_a_server_that_asks_for_it_is_left_alone_for_longer_but_not_for_ever(desk: Desk) -> None:
    desk.keep("a")
    for after, wait in ((600.0, 600.0), (1.0, 2 * FIRST_WAIT), (1e9, LONGEST_WAIT)):
        desk.answers = [Failed("busy", after)]
        desk.box().send_due()
        assert desk.rows()[0].due - desk.now == wait
        desk.now += wait


def test_a_message_is_tried_for_about_a_day() -> None:
    for chance, hours in ((0.0, 18), (0.5, 24), (1.0, 30)):
        waits = [pause(tries, FIRST_WAIT, lambda: chance) for tries in range(1, TRIES)]  # noqa: B023
        assert hours <= sum(waits) / 3600 < hours + 1.5
    assert max(waits) == 1.25 * LONGEST_WAIT


def test_what_was_sent_and_not_marked_is_sent_again_once_its_lease_is_over(desk: Desk) -> None:
    desk.keep("a", "b")
    desk.answers = [KeyboardInterrupt()]  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        desk.box().send_due()
    assert (desk.box().send_due(), desk.heard) == (1, ["a", "b"])
    desk.now += LEASE + 1
    assert (desk.box().send_due(), desk.heard) == (1, ["a", "b", "a"])


@pytest.mark.parametrize("other", [None, Failed("busy")])
@pytest.mark.parametrize("own", [None, Failed("broken")])
def test_who_was_slower_than_its_lease_changes_nothing_that_was_noted_since(
    desk: Desk, own: Exception | None, other: Exception | None
) -> None:
    desk.keep("a")
    box, noted = desk.box(), []

    def slow(_row: Any) -> None:
        desk.now += LEASE + 1
        desk.answers = [other]
        box.channels = {"hook": desk.send}
        box.send_due()
        noted.extend(desk.rows())
        if own is not None:
            raise own

    box.channels = {"hook": slow}
    box.send_due()
    assert desk.heard == ["a"]
    assert desk.rows() == noted
    assert noted[0].state == (SENT if other is None else WAITING)


def test_a_clock_that_is_set_back_holds_nothing_up(desk: Desk) -> None:
    desk.keep("a")
    desk.answers = [Failed("not now")]
    desk.box().send_due()
    desk.now -= 30 * 86_400
    assert desk.box().send_due() == 1


def test_what_was_taken_while_the_database_went_away_is_not_sent_again(desk: Desk) -> None:
    desk.keep("a", "b")
    desk.stores.append(desk.opened(0.05))
    other = sqlite3.connect(desk.file, isolation_level=None)
    box = desk.box(desk.stores[1])

    def locking(row: Any) -> None:
        desk.send(row)
        if len(desk.heard) == 1:
            other.execute("BEGIN EXCLUSIVE")

    box.channels = {"hook": locking}
    with pytest.raises(Unreachable):
        box.send_due()
    other.close()
    assert box.send_due() == 1
    assert (desk.heard, desk.counts()[SENT]) == (["a", "b"], 2)


def test_one_that_cannot_be_written_is_told_without_its_text_and_holds_up_no_other(desk: Desk) -> None:
    desk.keep("secret", "b")
    desk.answers = [KeyError("secret")]
    assert desk.box(called=lambda _: "one").send_due() == 1
    assert desk.lines == ["hook: one was not taken (KeyError while it was written); it is tried again"]


def test_what_is_not_wanted_any_more_waits(desk: Desk) -> None:
    desk.keep("a", "b")
    assert desk.box(wanted=TABLE.c.words != "a").send_due() == 1
    assert desk.heard == ["b"]
