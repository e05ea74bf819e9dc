"""What tells an alert from all others, wherever it is found."""

import hashlib
import secrets

import sqlalchemy as sql

from danlu.apps.monitor.detector import Change
from danlu.apps.monitor.store import Store

NAME = "name"
"""The name of a fact: what tells a database from those of other monitors, whose alerts may go to the same people."""


def key_of(store: Store, connection: sql.Connection, topic: str, change: Change) -> str:
    """The key of an alert of this database."""
    name = store.fact(connection, NAME)
    if name is None:
        name = secrets.token_hex(8)
        store.keep_fact(connection, NAME, name)
    return hashlib.sha256(f"{name}\0{topic}\0{change.direction}\0{change.step}".encode()).hexdigest()[:32]
