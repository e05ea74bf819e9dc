"""A file of SQLite: tokens in its full-text index FTS5, vectors as bytes.

Write-ahead logging lets any number read the last whole state while one writes; a killed process leaves that state.
"""

import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from danlu.index.matrix import Matrix, nearest_in
from danlu.index.store import FORMAT, Row, Scored, Session, Store, Vectors, filtered, only_among
from danlu.machine.files import full_disk_refused
from danlu.refusal import Refusal

FILE = "index.db"
WAIT = 60.0
"""Seconds for which another may write."""

_TABLES = """
CREATE TABLE danlu_settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE danlu_documents (
    number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, title TEXT NOT NULL, facts TEXT NOT NULL, text TEXT NOT NULL);
CREATE TABLE danlu_facts (
    document INTEGER NOT NULL, name TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (document, name)) WITHOUT ROWID;
CREATE INDEX danlu_facts_by_value ON danlu_facts (name, value);
CREATE TABLE danlu_passages (
    number INTEGER PRIMARY KEY, document INTEGER NOT NULL, "start" INTEGER NOT NULL, "end" INTEGER NOT NULL,
    tokens INTEGER NOT NULL);
CREATE INDEX danlu_passages_by_document ON danlu_passages (document);
CREATE TABLE danlu_vectors (passage INTEGER PRIMARY KEY, vector BLOB NOT NULL);
CREATE TABLE danlu_files (path TEXT PRIMARY KEY, digest TEXT NOT NULL, documents TEXT NOT NULL) WITHOUT ROWID;
CREATE VIRTUAL TABLE danlu_tokens USING fts5 (
    tokens, content = '', tokenize = "ascii tokenchars '_-.''/:@+&#'");
"""


_MADE = "SELECT 1 FROM sqlite_master WHERE name = 'danlu_settings'"


class SqliteSession(Session):
    """A transaction of SQLite."""

    def __init__(self, connection: sqlite3.Connection, matrix: Matrix) -> None:
        self._connection = connection
        self._matrix = matrix
        self.removed = False

    def rows(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """See `Session.rows`."""
        return iter(self._connection.execute(statement, values))

    def many(self, statement: str, values: Sequence[Row]) -> None:
        """See `Session.many`."""
        self._connection.executemany(statement, values)

    def add_tokens(self, tokens_by_passage: Mapping[int, list[str]]) -> None:
        """See `Session.add_tokens`."""
        self.many(
            "INSERT INTO danlu_tokens (rowid, tokens) VALUES (?, ?)",
            [(passage, " ".join(found)) for passage, found in tokens_by_passage.items()],
        )

    def remove_tokens(self, tokens_by_passage: Mapping[int, list[str]]) -> None:
        """See `Session.remove_tokens`."""
        self.removed = True
        self.many(
            "INSERT INTO danlu_tokens (danlu_tokens, rowid, tokens) VALUES ('delete', ?, ?)",
            [(passage, " ".join(found)) for passage, found in tokens_by_passage.items()],
        )

    def forget_tokens(self) -> None:
        """See `Session.forget_tokens`."""
        self.removed = True
        self.rows("INSERT INTO danlu_tokens (danlu_tokens) VALUES ('delete-all')")

    def lexical(
        self, sought: Sequence[str], limit: int, where: Mapping[str, str], among: Sequence[int] | None = None
    ) -> Scored:
        """See `Session.lexical`."""
        if not sought:
            return []
        joins, values = filtered(where)
        join = f"JOIN danlu_passages p ON p.number = t.rowid {joins}" if where else ""
        match = " OR ".join(f'"{each}"' for each in sought)
        found = self.rows(
            f"SELECT t.rowid, round(-bm25(danlu_tokens), 9) AS score FROM danlu_tokens t {join} "  # noqa: S608
            f"WHERE danlu_tokens MATCH ? AND {only_among('t.rowid', among)} ORDER BY score DESC, t.rowid LIMIT ?",
            (*values, match, limit),
        )
        return [(int(passage), float(score)) for passage, score in found]

    def nearest(
        self, query: Vectors, limit: int, where: Mapping[str, str], among: Sequence[int] | None = None
    ) -> Scored:
        """See `Session.nearest`."""
        return nearest_in(self, self._matrix, query, limit, where, among)

    def add_vectors(self, vectors: Mapping[int, Vectors]) -> None:
        """See `Session.add_vectors`."""
        self.many(
            "INSERT INTO danlu_vectors (passage, vector) VALUES (?, ?) ON CONFLICT DO NOTHING",
            [(passage, vector.astype("<f4").tobytes()) for passage, vector in vectors.items()],
        )


class SqliteStore(Store):
    """An index in a folder."""

    def __init__(self, folder: Path) -> None:
        """Open it, and make it where there is none.

        Raises:
            Refusal: the folder holds no index that can be read, or may not be written to.
        """
        self._file = folder / FILE
        self.shown = str(folder)
        self._matrix = Matrix()
        self._idle: list[sqlite3.Connection] = []
        self._lock = threading.Lock()
        if folder.exists() and not folder.is_dir():
            raise Refusal(f"{folder}: is a file; give a folder for the index")
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._prepare()
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise Refusal(f"{self._file}: cannot be opened as an index ({error}); give another folder") from None

    def _prepare(self) -> None:
        with self._borrowed() as connection:
            if connection.execute(_MADE).fetchone():
                return
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("BEGIN IMMEDIATE")
            with _ended(connection):
                if not connection.execute(_MADE).fetchone():
                    for statement in _TABLES.split(";\n"):
                        connection.execute(statement)
                    SqliteSession(connection, self._matrix).keep_setting("format", str(FORMAT))

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """See `Store.reading`."""
        with self._told(), self._borrowed() as connection:
            connection.execute("BEGIN")
            with _ended(connection):
                yield SqliteSession(connection, self._matrix)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """See `Store.writing`."""
        with self._told(), self._borrowed() as connection:
            connection.execute("BEGIN IMMEDIATE")
            session = SqliteSession(connection, self._matrix)
            with _ended(connection):
                yield session
            if session.removed:
                self._emptied(connection)

    @staticmethod
    def _emptied(connection: sqlite3.Connection) -> None:
        """Move what was written out of the log into the file, so that no deleted text stays in either.

        Where others read meanwhile, it is left to the next transaction, or to the last who closes.
        """
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            with suppress(sqlite3.OperationalError):
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(WAIT * 1000)}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """A sentence for what SQLite raises."""
        with full_disk_refused(self._file):
            try:
                yield
            except sqlite3.Error as error:
                full = "full" in str(error)
                what = "free some space" if full else "see that no other process holds it, or make the index anew"
                raise Refusal(f"{self.shown}: the index cannot be used ({error}); {what}") from None

    def close(self) -> None:
        """See `Store.close`."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    @contextmanager
    def _borrowed(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            connection = self._idle.pop() if self._idle else None
        connection = connection or self._connected()
        try:
            yield connection
        finally:
            with self._lock:
                self._idle.append(connection)

    def _connected(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._file, timeout=WAIT, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")  # what was deleted is not left in free pages of the file
        return connection


@contextmanager
def _ended(connection: sqlite3.Connection) -> Iterator[None]:
    """Keep what was done in a transaction, or nothing of it."""
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
