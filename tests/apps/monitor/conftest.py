"""Servers that take alerts and give feeds, and stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from monitor_web import Web

from danlu.apps.monitor import calibration
from danlu.apps.monitor.store import Store


@pytest.fixture(scope="module", autouse=True)
def quick_thresholds(request: pytest.FixtureRequest) -> Iterator[None]:
    """Thresholds from a tenth of the simulated months, but where it is tested how often they are passed."""
    if request.module.__name__.rpartition(".")[2] in ("test_detector", "test_levels"):
        yield
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(calibration, "STREAMS", calibration.STREAMS // 10)
        calibration._simulated.cache_clear()
        try:
            yield
        finally:
            calibration._simulated.cache_clear()


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()
    try:
        yield found
    finally:
        found.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(f"sqlite:///{tmp_path / 'monitor.db'}")
    try:
        yield found
    finally:
        found.close()
