"""How many threads pay is measured."""

import pytest

from danlu.machine import crowd
from danlu.machine.crowd import best, candidates, rates


def test_candidates_end_with_all_cores():
    assert candidates(1) == [1]
    assert candidates(2) == [1, 2]
    assert candidates(12) == [1, 2, 4, 8, 9, 12]


def test_the_fewest_threads_that_are_as_good_as_any_are_chosen():
    assert best({1: 100.0, 2: 196.0, 4: 200.0, 8: 180.0}) == 2
    assert best({1: 100.0, 2: 150.0, 4: 300.0}) == 4


def test_each_number_of_threads_gets_something_done():
    measured = rates(2, seconds=0.01)
    assert measured.keys() == {1, 2}
    assert min(measured.values()) > 0


def test_one_thread_alone_computes_with_one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    whole = crowd.Crew

    def made(size: int) -> crowd.Crew:
        seen.append(size)
        return whole(size)

    monkeypatch.setattr(crowd, "Crew", made)
    rates(1, seconds=0.001)
    assert seen == [2], "a crew of one has all cores"
