"""What people say of answers: rows of a database, which the format `sql` reads back to learn from."""

import json
import time
from pathlib import Path
from typing import Any

from danlu.machine.database import address_of, begin_at_once, make_tables, reason
from danlu.machine.remote import shown
from danlu.refusal import Refusal

TABLE = "danlu_feedback"
LOCKED = 3
"""Seconds for which another may hold the table."""


class Feedback:
    """A table of judged answers; may be written by several servers at once."""

    def __init__(self, url: str) -> None:
        """Open the database, and make the table where there is none.

        Raises:
            Refusal: it cannot be opened.
        """
        address = address_of(url, "--feedback", "serve", "keeping feedback", "feedback.db")
        import sqlalchemy as sql
        from sqlalchemy.exc import SQLAlchemyError

        sqlite = address.get_backend_name() == "sqlite"
        if sqlite:
            file = Path(address.database).expanduser()
            file.parent.mkdir(parents=True, exist_ok=True)
            address = address.set(database=str(file))
        self.shown = shown(url)
        settings: dict[str, Any] = {"timeout": LOCKED} if sqlite else {"options": f"-c lock_timeout={LOCKED}s"}
        self._engine = sql.create_engine(address, connect_args=settings, pool_pre_ping=True, hide_parameters=True)
        if sqlite:
            begin_at_once(self._engine)
        self._table = sql.Table(
            TABLE,
            sql.MetaData(),
            sql.Column("id", sql.Integer, primary_key=True),
            sql.Column("time", sql.Float, nullable=False),
            sql.Column("request", sql.String(64)),
            sql.Column("model", sql.String(200), nullable=False),
            sql.Column("fingerprint", sql.String(64), nullable=False),
            sql.Column("caller", sql.String(64)),
            sql.Column("correct", sql.Boolean),
            sql.Column("record", sql.Text, nullable=False),
            sql.Column("prediction", sql.Text),
            sql.Column("truth", sql.Text),
            sql.Column("comment", sql.Text),
        )
        try:
            make_tables(self._engine, self._table.metadata, "feedback", self.shown)
        except SQLAlchemyError as error:
            raise Refusal(f"{self.shown}: cannot be opened ({reason(error)}); see that it is there") from None

    def add(self, **told: Any) -> int:
        """Keep a judgement; gives its number. JSON columns are given as plain values."""
        row = {
            name: json.dumps(value, ensure_ascii=False) if name in ("record", "prediction", "truth") else value
            for name, value in told.items()
            if value is not None
        }
        with self._engine.begin() as connection:
            key = connection.execute(self._table.insert().values(time=time.time(), **row)).inserted_primary_key
        return int(key[0]) if key else 0

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()
