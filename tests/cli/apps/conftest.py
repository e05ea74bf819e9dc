"""A server that takes alerts."""

from collections.abc import Iterator

import pytest
from monitor_web import Web


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()
    try:
        yield found
    finally:
        found.close()
