"""Which process has which trial: a row of a table beside the study, taken by one process alone.

A row belongs to its process while that lives. On the same machine that is asked of the system, so that what a killed
process had is taken over at once; of another machine it is believed while its row is renewed, by the clock of the
database, which is one for all.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sql
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from danlu.machine.database import Database
from danlu.machine.holder import still_lives, this_process

EVERY = 15.0  # seconds between two renewals
GRACE = 120.0  # seconds after which a row that another machine has not renewed is free

_LOOK = 0.02  # seconds between two looks at a row that another holds for a moment

_TABLE = sql.Table(
    "danlu_leases",
    sql.MetaData(),
    sql.Column("trial", sql.BigInteger, primary_key=True, autoincrement=False),
    sql.Column("holder", sql.String(300), nullable=False),
    sql.Column("renewed", sql.Float, nullable=False),
)


class Leases:
    """The rows of this process, renewed in the background while it is entered."""

    def __init__(self, engine: sql.Engine) -> None:
        """Nothing is taken yet; the table is there (`make_table`)."""
        self._engine, self._own = engine, this_process()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def __enter__(self) -> "Leases":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def take(self, trial: int) -> bool:
        """Take the row of a trial, unless another living process has it."""
        with self._engine.connect() as connection:
            found = connection.execute(sql.select(_TABLE).where(_TABLE.c.trial == trial)).one_or_none()
            now = Database.clock(connection)
        try:
            with self._engine.begin() as connection:
                if found is None:
                    connection.execute(_TABLE.insert().values(trial=trial, holder=self._own, renewed=now))
                    return True
                if found.holder != self._own and _lives(found.holder, now - found.renewed):
                    return False
                same = (_TABLE.c.trial == trial) & (_TABLE.c.holder == found.holder)
                same &= _TABLE.c.renewed == found.renewed
                taken = connection.execute(_TABLE.update().where(same).values(holder=self._own, renewed=now))
                return taken.rowcount == 1
        except IntegrityError:  # another was quicker
            return False

    def leave(self, trial: int) -> None:
        """Give the row of a trial back."""
        with self._engine.begin() as connection:
            connection.execute(_TABLE.delete().where((_TABLE.c.trial == trial) & (_TABLE.c.holder == self._own)))

    @contextmanager
    def held(self, trial: int) -> Iterator[None]:
        """Hold a row, which others hold for moments alone, as soon as it is free."""
        while not self.take(trial):
            time.sleep(_LOOK)
        try:
            yield
        finally:
            self.leave(trial)

    def _renew(self) -> None:
        while not self._ended.wait(EVERY):
            with suppress(SQLAlchemyError), self._engine.begin() as connection:  # the next time, then
                own = _TABLE.update().where(_TABLE.c.holder == self._own)
                connection.execute(own.values(renewed=Database.clock(connection)))


def make_table(engine: sql.Engine) -> None:
    """Make the table if it is not there; the caller sees to it that one process at a time does so."""
    _TABLE.create(engine, checkfirst=True)


def _lives(holder: str, seconds: float) -> bool:
    """Whether the process that has a row lives, as far as can be told; `seconds` since it has renewed it."""
    lives = still_lives(holder)
    return seconds < GRACE if lives is None else lives
