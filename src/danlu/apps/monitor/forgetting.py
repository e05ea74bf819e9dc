"""Texts that are old enough to be forgotten: what is known of them without their words stays.

A feed shows the same entry for months, and who was forgotten altogether would be news again. So the row stays with its
key, its time and the step it is counted in, some 230 bytes (2026-11); what it says, where it stood and its topics go.
"""

from collections.abc import Iterable

import sqlalchemy as sql

from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import TEXTS, TOPICS

FORGOTTEN = "forgotten"
"""Name of a fact: the number of the last text that was forgotten."""

AT_ONCE = 2000
"""Texts; with so many others wait 0.05 to 0.2 s (20,000 texts of 400 characters, a busy machine, 2026-11)."""


def forget(store: Store, connection: sql.Connection, before: float, topics: Iterable[str]) -> int:
    """Forget the next texts that came before a time, which have these `topics` at most; gives how many.

    They are taken in the order in which they came, so one that is yet to be judged holds up those behind it.
    """
    last = store.fact(connection, FORGOTTEN) or 0
    following = sql.select(TEXTS.c.id, TEXTS.c.came, TEXTS.c.judged).where(TEXTS.c.id > last)
    rows = connection.execute(following.order_by(TEXTS.c.id).limit(AT_ONCE)).all()
    numbers = []
    for row in rows:
        if row.came >= before or not row.judged:
            break
        numbers.append(row.id)
    if numbers:
        old = TEXTS.c.id.between(numbers[0], numbers[-1])
        nothing = {"title": "", "text": "", "url": "", "given": None, "bands": None}
        connection.execute(TEXTS.update().where(old).values(**nothing))
        told = TOPICS.c.topic.in_(sorted(topics)) & TOPICS.c.text.between(numbers[0], numbers[-1])
        connection.execute(TOPICS.delete().where(told))
        store.keep_fact(connection, FORGOTTEN, numbers[-1])
    return len(numbers)
