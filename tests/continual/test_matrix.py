"""What a matrix of scores says, beside a calculation by hand."""

import pytest

from danlu.continual.matrix import summary

#           A     B     C
MATRIX = [
    [0.50, 0.30, 0.20],  # before any task
    [0.90, 0.35, 0.10],  # after A
    [0.70, 0.80, 0.25],  # after B
    [0.60, 0.85, 0.70],  # after C
]


def test_a_matrix_by_hand() -> None:
    told = summary(MATRIX, [True] * 3, at_once=False)
    assert told["average"] == pytest.approx((0.60 + 0.85 + 0.70) / 3)
    assert told["forgot"] == pytest.approx([0.90 - 0.60, 0.80 - 0.85])  # the best after any earlier task
    assert told["forgetting"] == pytest.approx((0.30 - 0.05) / 2)
    assert told["backward"] == pytest.approx(((0.60 - 0.90) + (0.85 - 0.80)) / 2)
    assert told["forward"] == pytest.approx(((0.35 - 0.30) + (0.25 - 0.20)) / 2)


def test_where_lower_is_better_forgetting_is_still_what_got_worse() -> None:
    rows = [[100.0, 90.0], [20.0, 80.0], [35.0, 30.0]]  # perplexities
    told = summary(rows, [False, False], at_once=False)
    assert told["average"] == pytest.approx(32.5)
    assert told["forgetting"] == pytest.approx(15.0)
    assert told["backward"] == pytest.approx(-15.0)
    assert told["forward"] == pytest.approx(10.0)
    mixed = summary([[0.5, 90.0], [0.9, 80.0], [0.7, 30.0]], [True, False], at_once=False)
    assert mixed["average"] is None
    assert mixed["forgetting"] == pytest.approx(0.2)


def test_what_a_matrix_does_not_tell_is_none() -> None:
    joint = summary([[0.5, 0.3], [0.9, 0.8]], [True, True], at_once=True)
    assert joint == {
        "average": pytest.approx(0.85),
        "forgetting": None,
        "backward": None,
        "forward": None,
        "forgot": [],
    }
    lacking = summary([[0.5, 0.3], [None, 0.8], [0.7, 0.6]], [True, True], at_once=False)
    assert lacking["backward"] is None
    assert lacking["average"] == pytest.approx(0.65)
