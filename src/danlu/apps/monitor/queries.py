"""What is asked of the store: topics, trends, alerts and the texts behind them."""

import json
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sql

from danlu.apps.monitor.tables import ALERTS, COUNTS, OUTBOX, SOURCES, TEXTS, TOPICS
from danlu.apps.sending.outbox import counts

_TOLD = (TEXTS.c.id, TEXTS.c.title, TEXTS.c.text, TEXTS.c.source, TEXTS.c.url, TEXTS.c.date, TEXTS.c.negative)


def topics(connection: sql.Connection, first: int, last: int) -> list[dict[str, Any]]:
    """Topics with their texts, negatives and copies in some steps, the most spoken-of first."""
    sums = [sql.func.sum(COUNTS.c[name]).label(name) for name in ("texts", "negatives", "copies")]
    wanted = sql.select(COUNTS.c.topic, *sums).where(COUNTS.c.step.between(first, last)).group_by(COUNTS.c.topic)
    rows = connection.execute(wanted.order_by(sql.desc("texts"), COUNTS.c.topic).limit(500))
    return [_numbers(row) for row in rows]


def trend(connection: sql.Connection, topic: str, first: int, last: int, group: int = 1) -> list[dict[str, Any]]:
    """Texts and negatives of a topic, `group` steps together, in order; groups without texts are left out."""
    grouped = (COUNTS.c.step - COUNTS.c.step % group).label("step")
    sums = [sql.func.sum(COUNTS.c[name]).label(name) for name in ("texts", "negatives", "copies")]
    wanted = sql.select(grouped, *sums).where((COUNTS.c.topic == topic) & COUNTS.c.step.between(first, last))
    return [_numbers(row) for row in connection.execute(wanted.group_by(grouped).order_by(grouped))]


def span(connection: sql.Connection) -> tuple[int, int] | None:
    """The first and the last step that has texts."""
    row = connection.execute(sql.select(sql.func.min(COUNTS.c.step), sql.func.max(COUNTS.c.step))).one()
    return None if row[0] is None else (int(row[0]), int(row[1]))


def alerts(connection: sql.Connection, topic: str | None = None, limit: int = 100) -> list[dict[str, Any]]:
    """Alerts, the latest first, with what has become of their messages."""
    wanted = sql.select(ALERTS).order_by(ALERTS.c.id.desc()).limit(limit)
    rows = connection.execute(wanted if topic is None else wanted.where(ALERTS.c.topic == topic)).all()
    sent: dict[int, list[dict[str, Any]]] = {row.id: [] for row in rows}
    for row in connection.execute(sql.select(OUTBOX).where(OUTBOX.c.alert.in_(list(sent)))):
        told = {"channel": row.channel, "state": row.state, "tries": row.tries, "error": row.error}
        sent[row.alert].append(told)
    return [_alert(row) | {"messages": sent[row.id]} for row in rows]


def alert_of(connection: sql.Connection, number: int) -> dict[str, Any]:
    """An alert that is there."""
    return _alert(connection.execute(sql.select(ALERTS).where(ALERTS.c.id == number)).one())


def alert_or_none(connection: sql.Connection, number: int) -> dict[str, Any] | None:
    """An alert, or None where there is none of this number."""
    row = connection.execute(sql.select(ALERTS).where(ALERTS.c.id == number)).one_or_none()
    return None if row is None else _alert(row)


def texts_behind(connection: sql.Connection, alert: Mapping[str, Any], limit: int) -> list[dict[str, Any]]:
    """The texts that an alert was heard in, the latest first: negative ones, or where they grew rare, others."""
    told = alert["told"]
    heard = TEXTS.c.counted.between(told["since"], told["step"])
    own = sql.select(TOPICS.c.text).where(TOPICS.c.topic == alert["topic"])
    kind = TEXTS.c.negative == (told["direction"] == "up")
    wanted = (
        sql.select(*_TOLD).where(heard & kind & TEXTS.c.id.in_(own)).order_by(TEXTS.c.date.desc(), TEXTS.c.id.desc())
    )
    return [dict(row._mapping) for row in connection.execute(wanted.limit(limit))]


def health(connection: sql.Connection, names: Collection[str] | None = None) -> dict[str, Any]:
    """What waits, what has failed, and how the sources of some names are; None: all that ever were."""
    waiting = connection.execute(sql.select(sql.func.count()).where(~TEXTS.c.judged)).scalar_one()
    told = (SOURCES.c.name, SOURCES.c.failures, SOURCES.c.error, SOURCES.c.succeeded, SOURCES.c.texts)
    sources = connection.execute(sql.select(*told).order_by(SOURCES.c.name)).all()
    dated = sql.select(TEXTS.c.dated, sql.func.count()).group_by(TEXTS.c.dated)
    return {
        "waiting": int(waiting),
        "messages": counts(connection, OUTBOX),
        "sources": [dict(row._mapping) for row in sources if names is None or row.name in names],
        "dates": {kind: int(count) for kind, count in connection.execute(dated)},
    }


def _alert(row: Any) -> dict[str, Any]:
    told = json.loads(row.told)
    return {"id": row.id, "key": row.key, "topic": row.topic, "told": told, "made": row.made}


def _numbers(row: Any) -> dict[str, Any]:
    return {name: value if isinstance(value, str) else int(value) for name, value in row._mapping.items()}
