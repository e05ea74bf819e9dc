"""What the assistant keeps: the tables of its database."""

from typing import Any

import sqlalchemy as sql

from danlu.apps.assistant.outbox import CHANNEL
from danlu.apps.sending import outbox
from danlu.apps.sending.outbox import FAILED, messages

META = sql.MetaData()

ENTRIES = sql.Table(
    "assistant_entries",
    META,
    sql.Column("id", sql.String(20), primary_key=True),
    sql.Column("answer", sql.Text, nullable=False),
    sql.Column("intent", sql.String(100), nullable=False),
    sql.Column("times", sql.Integer, nullable=False),
    sql.Column("source", sql.String(10), nullable=False),  # ticket, person
)
"""Answers."""

PHRASES = sql.Table(
    "assistant_phrases",
    META,
    sql.Column("id", sql.String(20), primary_key=True),
    sql.Column("entry", sql.String(20), nullable=False, index=True),
    sql.Column("text", sql.Text, nullable=False),
    sql.Column("source", sql.String(10), nullable=False),
    sql.Column("offered", sql.Boolean, nullable=False),
)
"""Questions that an answer was given to; those that are not `offered` were taken back."""

FORGOTTEN = sql.Table(
    "assistant_forgotten",
    META,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("time", sql.Float, nullable=False),
    sql.Column("answers", sql.Integer, nullable=False),
)
"""When answers were removed, and how many; by this other processes see it."""

SESSIONS = sql.Table(
    "assistant_sessions",
    META,
    sql.Column("id", sql.String(40), primary_key=True),
    sql.Column("begun", sql.Float, nullable=False),
    sql.Column("seen", sql.Float, nullable=False, index=True),
    sql.Column("turns", sql.Integer, nullable=False),
    sql.Column("language", sql.String(2), nullable=False),
    sql.Column("handover", sql.String(40)),
)

TURNS = sql.Table(
    "assistant_turns",
    META,
    sql.Column("id", sql.String(40), primary_key=True),
    sql.Column("session", sql.String(40), nullable=False, index=True),
    sql.Column("number", sql.Integer, nullable=False),
    sql.Column("time", sql.Float, nullable=False),
    sql.Column("question", sql.Text, nullable=False),
    sql.Column("sought", sql.Text, nullable=False),  # the question with what it goes on from
    sql.Column("kind", sql.String(10), nullable=False),  # past, written, person
    sql.Column("entry", sql.String(20)),
    sql.Column("answer", sql.Text, nullable=False),
    sql.Column("sure", sql.Float, nullable=False),
    sql.Column("version", sql.Integer, nullable=False),
    sql.Column("nearest", sql.Text, nullable=False),  # JSON
)

JUDGEMENTS = sql.Table(
    "assistant_judgements",
    META,
    sql.Column("id", sql.Integer, primary_key=True),
    sql.Column("time", sql.Float, nullable=False),
    sql.Column("turn", sql.String(40), nullable=False, index=True),
    sql.Column("question", sql.Text, nullable=False),
    sql.Column("verdict", sql.String(10), nullable=False),  # right, wrong, corrected
    sql.Column("judged", sql.String(20)),  # the entry that was given
    sql.Column("entry", sql.String(20)),  # the one that would have been right
    sql.Column("phrase", sql.String(20)),
    sql.Column("caller", sql.String(64)),
)

HANDOVERS = sql.Table(
    "assistant_handovers",
    META,
    sql.Column("id", sql.String(40), primary_key=True),
    sql.Column("time", sql.Float, nullable=False),
    sql.Column("session", sql.String(40), nullable=False),
    sql.Column("turn", sql.String(40), nullable=False),
    sql.Column("summary", sql.Text, nullable=False),  # JSON
    sql.Column("done", sql.Boolean, nullable=False),
)

OUTBOX = messages(
    "assistant_messages",
    META,
    sql.Column("key", sql.String(40), nullable=False, unique=True),
    sql.Column("handover", sql.String(40)),  # that it tells of
    sql.Column("body", sql.Text, nullable=False),
)

VERSIONS = sql.Table(
    "assistant_versions",
    META,
    sql.Column("number", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("time", sql.Float, nullable=False),
    sql.Column("ranking", sql.Text, nullable=False),  # JSON
    sql.Column("embedder", sql.Text),  # a folder, from that of the assistant
    sql.Column("told", sql.Text, nullable=False),  # JSON: how it compares
)

SERVING = sql.Table(
    "assistant_serving",
    META,
    sql.Column("id", sql.Integer, primary_key=True, autoincrement=False),
    sql.Column("number", sql.Integer, nullable=False),
)
"""One row: the version that answers."""


def take_over(connection: sql.Connection) -> None:
    """Take over what was to be sent before 0.1, which lay in a table of another form."""
    told: dict[str, Any] = {name: sql.column(name) for name in ("key", "handover", "body", "made", "due", "tries")}
    state = sql.case((sql.column("state") == "given_up", FAILED), else_=sql.column("state"))
    told |= {"state": state, "error": sql.column("why"), "channel": sql.literal(CHANNEL)}
    outbox.take_over(connection, "assistant_outbox", OUTBOX, told)
