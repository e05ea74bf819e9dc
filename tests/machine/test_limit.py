"""The limit that is measured while something is computed."""

import pytest
import torch

from danlu.machine import limit as module
from danlu.machine.limit import FEWEST, SHARE, Limit, limit_of


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Rates that measurements find, a twentieth of a second each; what is left of them."""
    now, left = 0.0, [3e11, 2.7e11, 3.8e11, 1e10, 3.7e11]

    def measured(dtype: torch.dtype, seconds: float) -> float:
        nonlocal now
        now += 0.05
        return left.pop(0)

    monkeypatch.setattr(module, "measured_rate", measured)
    monkeypatch.setattr(module.time, "perf_counter", lambda: now)
    return left


def test_the_quietest_of_several_is_the_limit_and_the_median_tells_what_it_is_worth(taken: list[float]) -> None:
    limit = Limit(torch.float32)
    found = []
    while taken:
        limit.beside(1.0, 1e11)
        found.append((limit.best, limit.middle))
    assert found[0] == (3e11, 3e11)
    assert found[-1] == (3.8e11, 3e11)
    assert sorted(best for best, _ in found) == [best for best, _ in found]


def test_measurements_take_a_small_share_of_what_is_computed(taken: list[float]) -> None:
    limit = Limit(torch.float32)
    seconds = [second for second in range(1, 66) if _measures(limit, taken)]
    assert len(seconds) == 5
    assert seconds[:FEWEST] == [1, 2, 3]
    for count, second in enumerate(seconds[FEWEST:], FEWEST + 1):
        assert 0.05 * count <= SHARE * second < 0.05 * count + 2 * SHARE


def test_what_was_reached_is_possible(taken: list[float]) -> None:
    limit = Limit(torch.float32)
    limit.beside(1.0, 9e11)
    assert (limit.best, limit.middle) == (9e11, 3e11)


def test_trainings_of_one_process_share_what_was_measured() -> None:
    assert limit_of(torch.float32) is limit_of(torch.float32)
    limit_of(torch.float32).beside(0.01, 1.0)
    assert 1e6 < limit_of(torch.float32).middle <= limit_of(torch.float32).best < 1e16


def _measures(limit: Limit, taken: list[float]) -> bool:
    """Whether a second of work is followed by a measurement."""
    before = len(taken)
    limit.beside(1.0, 0.0)
    return len(taken) < before
