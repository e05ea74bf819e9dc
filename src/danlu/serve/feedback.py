"""What people say of answers: rows of a database, which the format `sql` reads back to learn from."""

import json
import time
from contextlib import suppress
from typing import Any

from danlu.machine.database import Database, address_of

TABLE = "danlu_feedback"
LOCKED = 3
"""Seconds for which another may hold the table."""


class Feedback(Database):
    """A table of judged answers; may be written by several servers at once."""

    def __init__(self, url: str) -> None:
        """Open the database, and make the table where there is none.

        Raises:
            Refusal: it cannot be opened.
        """
        address = address_of(url, "--feedback", "serve", "keeping feedback", "feedback.db")
        import sqlalchemy as sql

        tables = sql.MetaData()
        self._table = sql.Table(
            TABLE,
            tables,
            sql.Column("id", sql.Integer, primary_key=True),
            sql.Column("time", sql.Float, nullable=False),
            sql.Column("request", sql.String(64)),
            sql.Column("model", sql.String(200), nullable=False),
            sql.Column("fingerprint", sql.String(100), nullable=False),
            sql.Column("caller", sql.String(64)),
            sql.Column("correct", sql.Boolean),
            sql.Column("record", sql.Text, nullable=False),
            sql.Column("prediction", sql.Text),
            sql.Column("truth", sql.Text),
            sql.Column("comment", sql.Text),
        )
        super().__init__(address, tables, LOCKED, name="feedback")
        columns = {each["name"]: each["type"] for each in sql.inspect(self.engine).get_columns(TABLE)}
        if self.engine.dialect.name == "postgresql" and getattr(columns["fingerprint"], "length", None) == 64:  # older
            with suppress(sql.exc.DBAPIError), self.begin() as connection:  # who may not is told where one is longer
                connection.execute(sql.text(f"ALTER TABLE {TABLE} ALTER COLUMN fingerprint TYPE VARCHAR(100)"))

    def add(self, **told: Any) -> int:
        """Keep a judgement; gives its number. JSON columns are given as plain values.

        Raises:
            Unreachable: the database does not answer.
        """
        row = {
            name: json.dumps(value, ensure_ascii=False) if name in ("record", "prediction", "truth") else value
            for name, value in told.items()
            if value is not None
        }
        with self.begin() as connection:
            key = connection.execute(self._table.insert().values(time=time.time(), **row)).inserted_primary_key
        return int(key[0]) if key else 0
