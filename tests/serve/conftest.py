"""A server of every task."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import Live, serving, shelved

from danlu.serve.limits import Limits
from danlu.serve.shelf import Place, Shelf


@pytest.fixture(scope="session")
def shelf(bundles: dict[str, Path]) -> Iterator[Shelf]:
    """All tasks, each under its own name."""
    with shelved([Place(kind, str(folder), threads=1) for kind, folder in bundles.items()]) as found:
        yield found


@pytest.fixture(scope="session")
def live(shelf: Shelf) -> Iterator[Live]:
    with serving(shelf, Limits(patience=120)) as found:  # a busy machine is no reason to refuse a test
        yield found
