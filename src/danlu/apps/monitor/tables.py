"""The tables of the store; times are seconds since 1970, steps the number of one since then."""

from typing import Any

import sqlalchemy as sql

from danlu.apps.sending import outbox
from danlu.apps.sending.outbox import messages

DATA = sql.MetaData()

_Number = sql.BigInteger().with_variant(sql.Integer(), "sqlite")  # SQLite counts up in INTEGER alone

TEXTS = sql.Table(
    "monitor_texts",
    DATA,
    sql.Column("id", _Number, primary_key=True),
    sql.Column("key", sql.String(64), nullable=False, unique=True),
    sql.Column("title", sql.Text, nullable=False),
    sql.Column("text", sql.Text, nullable=False),
    sql.Column("source", sql.Text, nullable=False),
    sql.Column("url", sql.Text, nullable=False),
    sql.Column("date", sql.Float, nullable=False),
    sql.Column("dated", sql.String(8), nullable=False),  # as in `dates.Told`
    sql.Column("came", sql.Float, nullable=False),
    sql.Column("given", sql.Text),  # JSON of topics and sentiment that came with it
    sql.Column("judged", sql.Boolean, nullable=False),
    sql.Column("like", _Number),  # the text that it repeats
    sql.Column("negative", sql.Boolean),
    sql.Column("bands", sql.LargeBinary),  # by which texts that are alike are found; None: judged not yet, or forgotten
    sql.Column("counted", sql.BigInteger),  # the step whose counts it is in; None: in none
    sqlite_autoincrement=True,
)
sql.Index("monitor_texts_waiting", TEXTS.c.id, sqlite_where=~TEXTS.c.judged, postgresql_where=~TEXTS.c.judged)
sql.Index("monitor_texts_counted", TEXTS.c.counted)
sql.Index("monitor_texts_dated", TEXTS.c.dated)

TOPICS = sql.Table(
    "monitor_topics",
    DATA,
    sql.Column("topic", sql.String(100), primary_key=True),
    sql.Column("text", _Number, primary_key=True),
)

COUNTS = sql.Table(  # `unheard` and `unheard_negatives` are what the detectors have still to hear
    "monitor_counts",
    DATA,
    sql.Column("topic", sql.String(100), primary_key=True),
    sql.Column("step", sql.BigInteger, primary_key=True),
    sql.Column("texts", sql.Integer, nullable=False),
    sql.Column("negatives", sql.Integer, nullable=False),
    sql.Column("copies", sql.Integer, nullable=False),
    sql.Column("unheard", sql.Integer, nullable=False),
    sql.Column("unheard_negatives", sql.Integer, nullable=False),
)

FACTS = sql.Table(
    "monitor_facts",
    DATA,
    sql.Column("name", sql.String(200), primary_key=True),
    sql.Column("value", sql.Text, nullable=False),
)

ALERTS = sql.Table(
    "monitor_alerts",
    DATA,
    sql.Column("id", _Number, primary_key=True),
    sql.Column("key", sql.String(64), nullable=False, unique=True),
    sql.Column("topic", sql.String(100), nullable=False),
    sql.Column("direction", sql.String(4), nullable=False),
    sql.Column("step", sql.BigInteger, nullable=False),
    sql.Column("since", sql.BigInteger, nullable=False),
    sql.Column("told", sql.Text, nullable=False),  # JSON of the change
    sql.Column("made", sql.Float, nullable=False),
    sqlite_autoincrement=True,
)

OUTBOX = messages(
    "monitor_messages", DATA, sql.Column("alert", _Number, nullable=False), sql.UniqueConstraint("alert", "channel")
)

SOURCES = sql.Table(
    "monitor_sources",
    DATA,
    sql.Column("name", sql.String(700), primary_key=True),
    sql.Column("due", sql.Float, nullable=False),
    sql.Column("holder", sql.String(350)),
    sql.Column("until", sql.Float),
    sql.Column("mark", sql.Text),  # JSON of what tells that nothing is new
    sql.Column("failures", sql.Integer, nullable=False),
    sql.Column("error", sql.Text),
    sql.Column("succeeded", sql.Float),
    sql.Column("texts", sql.Integer, nullable=False),
)

LEASES = sql.Table(
    "monitor_leases",
    DATA,
    sql.Column("name", sql.String(100), primary_key=True),
    sql.Column("holder", sql.String(350), nullable=False),
    sql.Column("until", sql.Float, nullable=False),
)


def take_over(connection: sql.Connection) -> None:
    """Take over messages of before 0.1, which lay in a table of another form."""
    told: dict[str, Any] = {
        name: sql.column(name) for name in ("alert", "channel", "state", "due", "tries", "error", "sent")
    }
    outbox.take_over(connection, "monitor_outbox", OUTBOX, told | {"made": sql.column("due")})
