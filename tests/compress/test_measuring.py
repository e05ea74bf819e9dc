"""Two calls that are timed in turn."""

from collections.abc import Callable, Sequence

import pytest

from danlu.compress import measuring
from danlu.compress.measuring import Measuring


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [0.0]
    monkeypatch.setattr(measuring.time, "perf_counter", lambda: now[0])
    return now


def taking(clock: list[float], seconds: Sequence[float]) -> Callable[[], None]:
    """A call that takes so long each time, the first before anything is counted."""
    left = iter([9.0, *seconds])

    def call() -> None:
        clock[0] += next(left)

    return call


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ([1, 1, 1, 1], [2, 2, 2, 2], [1, 2]),
        ([3, 2, 5, 2], [1, 1, 9, 1], [2, 1]),  # neighbours slow both in one turn
        ([2, 2, 2, 2], [1, 2, 2, 2], [2, 2]),  # a single lucky turn is no gain
    ],
)
def test_the_quickest_counts_but_no_gain_that_most_turns_do_not_show(
    clock: list[float], first: list[float], second: list[float], told: list[float]
) -> None:
    calls = [taking(clock, each) for each in (first, second)]
    assert measuring._quickest(calls, Measuring(rounds=4, seconds=0.0)) == pytest.approx(told)
