"""Servers that take alerts and give feeds, and stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from monitor_web import Web

from danlu.apps.monitor.store import Store


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()
    yield found
    found.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(f"sqlite:///{tmp_path / 'monitor.db'}")
    yield found
    found.close()
