"""A PostgreSQL server: tokens in a table, BM25 computed by the server; vectors compared by pgvector where it has it.

Without pgvector (https://github.com/pgvector/pgvector) vectors are kept as bytes and compared here.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from danlu.index.matrix import Matrix, nearest_in
from danlu.index.store import FORMAT, K1, LEAST, B, Row, Scored, Session, Store, Vectors, filtered, only_among
from danlu.machine.database import address_of, reason
from danlu.machine.remote import shown
from danlu.refusal import Refusal

WAIT = 60
"""Seconds for which another may write."""

_MAKING = 0x64616E6C75  # a number of ours, by which servers know who makes tables

_TABLES = """
CREATE TABLE danlu_settings (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE danlu_documents (
    number bigint PRIMARY KEY, id text NOT NULL UNIQUE, title text NOT NULL, facts text NOT NULL, text text NOT NULL);
CREATE TABLE danlu_facts (
    document bigint NOT NULL, name text NOT NULL, value text NOT NULL, PRIMARY KEY (document, name));
CREATE INDEX danlu_facts_by_value ON danlu_facts USING hash (value);
CREATE TABLE danlu_passages (
    number bigint PRIMARY KEY, document bigint NOT NULL, "start" integer NOT NULL, "end" integer NOT NULL,
    tokens integer NOT NULL);
CREATE INDEX danlu_passages_by_document ON danlu_passages (document);
CREATE TABLE danlu_vectors (passage bigint PRIMARY KEY, vector {vector} NOT NULL);
CREATE TABLE danlu_files (path text PRIMARY KEY, digest text NOT NULL, documents text NOT NULL);
CREATE TABLE danlu_tokens (
    token text COLLATE "C", passage bigint, times integer NOT NULL, PRIMARY KEY (token, passage) INCLUDE (times));
CREATE INDEX danlu_tokens_by_passage ON danlu_tokens (passage)
"""

_LEXICAL = f"""
WITH whole AS (SELECT count(*)::float8 AS number, avg(tokens)::float8 AS length FROM danlu_passages),
weights AS (
    SELECT sought.token, greatest(ln((whole.number - had.number + 0.5) / (had.number + 0.5)), {LEAST}) AS weight
    FROM unnest(?::text[]) AS sought (token), whole,
        LATERAL (SELECT count(*)::float8 AS number FROM danlu_tokens t WHERE t.token = sought.token) AS had
)
SELECT p.number, round(sum(
    w.weight * t.times * {K1 + 1} / (t.times + {K1} * ({1 - B} + {B} * p.tokens / whole.length)))::numeric, 9)::float8
    AS score
FROM weights w JOIN danlu_tokens t ON t.token = w.token JOIN danlu_passages p ON p.number = t.passage
"""  # noqa: S608  numbers of ours


class PostgresSession(Session):
    """A transaction of PostgreSQL."""

    def __init__(self, connection: Any, matrix: Matrix, *, compares: bool) -> None:
        self._connection = connection
        self._matrix = matrix
        self._compares = compares

    def rows(self, statement: str, values: Sequence[Any] = ()) -> Iterator[Row]:
        """See `Session.rows`."""
        return iter(self._connection.execute(statement.replace("?", "%s"), values))

    def many(self, statement: str, values: Sequence[Row]) -> None:
        """See `Session.many`."""
        with self._connection.cursor() as cursor:
            cursor.executemany(statement.replace("?", "%s"), values)

    def add_tokens(self, tokens_by_passage: Mapping[int, list[str]]) -> None:
        """See `Session.add_tokens`."""
        with (
            self._connection.cursor() as cursor,
            cursor.copy("COPY danlu_tokens (token, passage, times) FROM STDIN") as copy,
        ):
            for passage, found in tokens_by_passage.items():
                for token, times in Counter(found).items():
                    copy.write_row((token, passage, times))

    def remove_tokens(self, tokens_by_passage: Mapping[int, list[str]]) -> None:
        """See `Session.remove_tokens`."""
        self.many("DELETE FROM danlu_tokens WHERE passage = ?", [(passage,) for passage in tokens_by_passage])

    def forget_tokens(self) -> None:
        """See `Session.forget_tokens`."""
        self.rows("DELETE FROM danlu_tokens")

    def lexical(
        self, sought: Sequence[str], limit: int, where: Mapping[str, str], among: Sequence[int] | None = None
    ) -> Scored:
        """See `Session.lexical`."""
        joins, values = filtered(where)
        statement = (
            f"{_LEXICAL} {joins}, whole WHERE {only_among('p.number', among)} "
            "GROUP BY p.number ORDER BY score DESC, p.number LIMIT ?"
        )
        return [(int(one), float(score)) for one, score in self.rows(statement, (list(sought), *values, limit))]

    def nearest(
        self, query: Vectors, limit: int, where: Mapping[str, str], among: Sequence[int] | None = None
    ) -> Scored:
        """See `Session.nearest`."""
        if not self._compares:
            return nearest_in(self, self._matrix, query, limit, where, among)
        joins, values = filtered(where)
        statement = (
            "SELECT p.number, round((-(v.vector <#> ?::vector))::numeric, 5)::float8 AS score FROM danlu_vectors v "  # noqa: S608  names, numbers
            f"JOIN danlu_passages p ON p.number = v.passage {joins} WHERE {only_among('p.number', among)} "
            "ORDER BY score DESC, p.number LIMIT ?"
        )
        return [(int(one), float(score)) for one, score in self.rows(statement, (_told(query), *values, limit))]

    def add_vectors(self, vectors: Mapping[int, Vectors]) -> None:
        """See `Session.add_vectors`."""
        mark = "?::vector" if self._compares else "?"
        self.many(
            f"INSERT INTO danlu_vectors (passage, vector) VALUES (?, {mark}) ON CONFLICT DO NOTHING",  # noqa: S608
            [
                (passage, _told(vector) if self._compares else vector.astype("<f4").tobytes())
                for passage, vector in vectors.items()
            ],
        )


class PostgresStore(Store):
    """An index in the tables `danlu_...` of a database, in the first schema of its search path."""

    def __init__(self, url: str) -> None:
        """Connect, and make the tables where there are none.

        Raises:
            Refusal: the address is none, the server cannot be reached, or what it needs is not installed.
        """
        address = address_of(url, "the index", "postgres", "an index in a database", "index.db")
        if address.get_backend_name() != "postgresql":
            raise Refusal(f"{shown(url)}: an index in SQLite is given as a folder, such as ./index")
        self._url = address.set(drivername="postgresql").render_as_string(hide_password=False)
        self.shown = shown(url)
        self._matrix = Matrix()
        self._idle: list[Any] = []
        self._lock = threading.Lock()
        self._compares = self._prepare()

    def _prepare(self) -> bool:
        """Make what is not there, and tell whether the server compares vectors."""
        with self._transaction("READ COMMITTED READ WRITE") as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_MAKING,))
            if not connection.execute("SELECT to_regclass('danlu_settings')").fetchone()[0]:
                compares = _has_pgvector(connection)
                connection.execute(_TABLES.format(vector="vector" if compares else "bytea"))
                session = PostgresSession(connection, self._matrix, compares=compares)
                session.keep_setting("format", str(FORMAT))
                session.keep_setting("vectors", "pgvector" if compares else "bytes")
            kept = connection.execute("SELECT value FROM danlu_settings WHERE name = 'vectors'").fetchone()
            return bool(kept and kept[0] == "pgvector")

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """See `Store.reading`."""
        with self._transaction("REPEATABLE READ READ ONLY") as connection:
            yield PostgresSession(connection, self._matrix, compares=self._compares)

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """See `Store.writing`."""
        with self._transaction("READ COMMITTED READ WRITE") as connection:
            connection.execute("LOCK TABLE danlu_settings IN EXCLUSIVE MODE")
            yield PostgresSession(connection, self._matrix, compares=self._compares)

    def close(self) -> None:
        """See `Store.close`."""
        with self._lock:
            while self._idle:
                self._idle.pop().close()

    @contextmanager
    def _transaction(self, mode: str) -> Iterator[Any]:
        """A connection within a transaction; who only reads sees one state in all of it."""
        import psycopg

        try:
            connection = self._begun(mode)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                with suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
                raise
            finally:
                self._give_back(connection)
        except psycopg.Error as error:
            told = f"{self.shown}: the database cannot be used ({reason(error)}); see that it is there"
            raise Refusal(told) from None

    def _begun(self, mode: str) -> Any:
        """A connection that has begun a transaction; one that the server has left is made anew."""
        import psycopg

        while True:
            with self._lock:
                connection = self._idle.pop() if self._idle else None
            used, connection = connection is not None, connection or self._connected()
            try:
                connection.execute(f"BEGIN ISOLATION LEVEL {mode}")
            except psycopg.OperationalError:
                connection.close()
                if not used:
                    raise
            else:
                return connection

    def _connected(self) -> Any:
        import psycopg
        from psycopg.conninfo import conninfo_to_dict

        given = conninfo_to_dict(self._url)
        options = f"-c lock_timeout={WAIT}s {given.get('options') or ''}".strip()  # the later of two counts
        patience = given.get("connect_timeout") or 10
        return psycopg.connect(self._url, autocommit=True, options=options, connect_timeout=patience)

    def _give_back(self, connection: Any) -> None:
        with self._lock:
            if not connection.closed:
                self._idle.append(connection)


def _has_pgvector(connection: Any) -> bool:
    """Whether the server compares vectors, once it was asked to."""
    import psycopg

    try:
        with connection.transaction():
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except psycopg.Error:  # it is not installed there, or we may not
        return False
    return True


def _told(vector: Vectors) -> str:
    """A vector as pgvector reads it."""
    return f"[{','.join(map(repr, vector.tolist()))}]"
