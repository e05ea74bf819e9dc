"""What a database of a monitor is told by, kept in it once."""

import hashlib
import json
import secrets

import sqlalchemy as sql

from danlu.apps.monitor.detector import Change
from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import FACTS
from danlu.refusal import Refusal

NAME, STEP = "name", "step"
"""Names of facts: what tells it from other monitors, whose alerts may reach the same people; the seconds of a step."""


def key_of(store: Store, connection: sql.Connection, topic: str, change: Change) -> str:
    """What tells an alert from all others, wherever it is found."""
    name = store.fact(connection, NAME)
    if name is None:
        name = secrets.token_hex(8)
        store.keep_fact(connection, NAME, name)
    return hashlib.sha256(f"{name}\0{topic}\0{change.direction}\0{change.step}".encode()).hexdigest()[:32]


def keep_step(store: Store, seconds: int) -> None:
    """Keep how long a step of a database is, in which all that it counts is told.

    Raises:
        Refusal: it is another already, or the database is away.
    """
    first = store.insert(FACTS).values(name=STEP, value=json.dumps(seconds)).on_conflict_do_nothing()
    with store.begin() as connection:
        connection.execute(first)
        kept = store.fact(connection, STEP)
    if kept != seconds:
        raise Refusal(
            f"{store.shown}: counts in steps of {kept} seconds, and alarm.step is {seconds}; set it to {kept}, or "
            "begin a new monitor in another folder"
        )
