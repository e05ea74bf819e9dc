"""Texts of the store as the work takes them: those that wait, those that are remembered, and what is kept of each."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sql

from danlu.apps.monitor.folding import CAPACITY, Folding
from danlu.apps.monitor.item import whole
from danlu.apps.monitor.judging import Given, Judged
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import COUNTS, TEXTS

LATE = 86_400
"""Seconds: what comes later is counted with what comes now; what comes later than that is only kept."""

JUDGED = (
    TEXTS.update()
    .where(TEXTS.c.id == sql.bindparam("number"))
    .values(
        judged=True,
        like=sql.bindparam("repeats"),
        negative=sql.bindparam("is_negative"),
        bands=sql.bindparam("keys"),
        counted=sql.bindparam("step"),
    )
)
"""What is kept of a text that was judged: see `row_of`."""


def waiting(connection: sql.Connection, most: int) -> list[Given]:
    """The next texts that are to be judged, in the order in which they came."""
    wanted = sql.select(TEXTS).where(~TEXTS.c.judged).order_by(TEXTS.c.id).limit(most)
    return [_given(row) for row in connection.execute(wanted)]


def remembered(store: Store) -> Folding:
    """The memory of the latest texts that were judged."""

    def texts_of(numbers: Sequence[int]) -> Mapping[int, str]:
        if not numbers:
            return {}
        wanted = sql.select(TEXTS.c.id, TEXTS.c.title, TEXTS.c.text).where(TEXTS.c.id.in_(list(numbers)))
        with store.reading() as connection:
            return {row.id: whole(row.title, row.text) for row in connection.execute(wanted)}

    folding = Folding(texts_of)
    first = TEXTS.alias()
    columns = (TEXTS.c.id, TEXTS.c.like, TEXTS.c.date, TEXTS.c.bands, first.c.date.label("begun"))
    known = TEXTS.c.judged & TEXTS.c.bands.is_not(None)
    latest = sql.select(*columns).outerjoin_from(TEXTS, first, TEXTS.c.like == first.c.id).where(known)
    latest = latest.order_by(TEXTS.c.id.desc()).limit(CAPACITY)
    with store.reading() as connection:
        rows = connection.execute(latest).all()
    for row in reversed(rows):
        folding.remember(row.id, row.like, row.date, row.bands, row.begun)
    return folding


def counted_topics(store: Store) -> set[str]:
    """The topics that have counts."""
    with store.reading() as connection:
        return set(connection.scalars(sql.select(COUNTS.c.topic).distinct()))


def row_of(number: int, judged: Judged, counted: int | None) -> dict[str, Any]:
    """What `JUDGED` keeps of a text, which is heard in the step `counted`."""
    return {
        "number": number,
        "repeats": judged.like,
        "is_negative": judged.negative,
        "keys": judged.bands,
        "step": counted,
    }


def counted_in(step: int, closed: int | None, seconds: int) -> int | None:
    """In which step a text is heard: its own, the first that is open if it comes late, none if far too late."""
    if closed is None or step > closed:
        return step
    return closed + 1 if (closed - step) * seconds <= LATE else None


def _given(row: Any) -> Given:
    given = json.loads(row.given) if row.given else {}
    topics = given.get("topics")
    return Given(
        row.id,
        whole(row.title, row.text),
        row.date,
        None if topics is None else tuple(topics),
        given.get("negative"),
    )
