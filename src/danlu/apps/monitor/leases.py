"""Which process does what: rows that are taken for a while, by the clock of the database.

What a process has that was killed on this machine is free at once (`release_ended`); of another machine it is believed
until its lease ends. A clock that was set back leaves a lease that ends further away than any can: it has ended, too.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sql

from danlu.apps.monitor.store import Store
from danlu.apps.monitor.tables import LEASES, OUTBOX, SOURCES
from danlu.machine.database import Unreachable
from danlu.machine.holder import still_lives


def take(store: Store, name: str, seconds: float) -> bool | None:
    """Take the lease of a name, or keep it; None: another process has it. False where it was ours already."""
    with store.begin() as connection:
        now = store.clock(connection)
        if renewed(store, connection, name, seconds):
            return False
        insert = store.insert(LEASES).values(name=name, holder=store.holder, until=now + seconds)
        if connection.execute(insert.on_conflict_do_nothing(index_elements=["name"])).rowcount == 1:
            return True
        free = (LEASES.c.until < now) | (LEASES.c.until > now + 10 * seconds)
        update = LEASES.update().where((LEASES.c.name == name) & free)
        taken = connection.execute(update.values(holder=store.holder, until=now + seconds))
        return True if taken.rowcount == 1 else None


@contextmanager
def kept(store: Store, name: str, seconds: float) -> Iterator[None]:
    """Within the block a thread renews a lease that this process has, however long it takes."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(seconds / 3):
            with suppress(Unreachable), store.begin() as connection:  # the next time may be in time
                renewed(store, connection, name, seconds)

    thread = threading.Thread(target=renew, name="danlu-lease", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def renewed(store: Store, connection: sql.Connection, name: str, seconds: float) -> bool:
    """Whether this process still has a lease, which then lasts on; within a transaction nobody else gets it."""
    own = LEASES.update().where((LEASES.c.name == name) & (LEASES.c.holder == store.holder))
    return connection.execute(own.values(until=store.clock(connection) + seconds)).rowcount == 1


def leave(store: Store, name: str) -> None:
    """Give a lease back."""
    with store.begin() as connection:
        connection.execute(LEASES.delete().where((LEASES.c.name == name) & (LEASES.c.holder == store.holder)))


def release_ended(store: Store) -> int:
    """Free what processes have that have ended on this machine; gives how many of them there were."""
    with store.begin() as connection:
        now = store.clock(connection)
        held = {
            holder
            for table in (LEASES, OUTBOX, SOURCES)
            for holder in connection.scalars(sql.select(table.c.holder).distinct().where(table.c.until >= now))
        }
        ended = [holder for holder in held if holder and still_lives(holder.partition(" ")[2]) is False]
        for table in (LEASES, OUTBOX, SOURCES) if ended else ():
            connection.execute(table.update().where(table.c.holder.in_(ended)).values(until=0.0))
    return len(ended)
