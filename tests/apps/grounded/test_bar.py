"""The threshold: the share that is stated is refused, rates are told of questions that did not set it."""

import json
from typing import Any

import numpy as np
import pytest

from danlu.apps.grounded.bar import Bar, fitted
from danlu.refusal import Refusal

Told = list[dict[str, float]]


def drawn(count: int, middle: float, seed: int) -> Told:
    rng = np.random.default_rng(seed)
    values = rng.normal(middle, 1.0, (count, 2))
    return [{"passage": float(one), "noise": float(other - middle)} for one, other in values]


def bar_of(inside: Told, outside: Told, **settings: Any) -> Bar:
    return fitted(inside, outside, **settings).bar


def refused(bar: Bar, told: Told) -> float:
    return sum(not bar.passes(each) for each in told) / len(told)


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_the_stated_share_of_other_questions_is_refused_on_average(share: float) -> None:
    shares = []
    for seed in range(8):
        bar = bar_of(drawn(60, 2.0, seed), drawn(60, 0.0, 100 + seed), refuse=share)
        shares.append(refused(bar, drawn(2000, 0.0, 999)))
    # what conformal prediction promises, but for the weights, which have seen these questions too
    assert share - 0.03 < np.mean(shares) < share + 0.06


def test_the_stated_share_is_answered() -> None:
    shares = [
        1 - refused(bar_of(drawn(60, 2.0, seed), drawn(60, 0.0, 100 + seed), answer=0.9), drawn(2000, 2.0, 999))
        for seed in range(8)
    ]
    assert 0.85 < np.mean(shares) < 0.96


def test_rates_are_those_of_many_new_questions() -> None:
    inside, outside = drawn(300, 2.0, 1), drawn(300, 0.0, 2)
    bar = bar_of(inside, outside, refuse=0.9)
    answered, kept_out = bar.rates["answered"], bar.rates["refused"]
    assert answered["low"] < 1 - refused(bar, drawn(20_000, 2.0, 3)) < answered["high"]
    assert kept_out["low"] < refused(bar, drawn(20_000, 0.0, 4)) < kept_out["high"]
    assert (bar.rates["inside"], bar.rates["outside"]) == (300, 300)


def test_a_question_is_answered_by_what_others_have_set() -> None:
    inside = drawn(40, 2.0, 1)
    inside[0] = {"passage": 1.9, "noise": 0.0}
    bar, answered = fitted(inside, drawn(40, 0.0, 2), refuse=0.9)
    assert sum(answered) / 40 == bar.rates["answered"]["value"]
    outlier = [*inside[:39], {"passage": -9.0, "noise": 0.0}]
    assert fitted(outlier, drawn(40, 0.0, 2), answer=0.99).answered[39] is False
    assert bar_of(outlier, drawn(40, 0.0, 2), answer=0.99).passes(outlier[39])


def test_signals_that_say_nothing_answer_no_more_than_chance_would() -> None:
    rates = [bar_of(drawn(200, 0.0, seed), drawn(200, 0.0, 50 + seed), refuse=0.9).rates for seed in range(5)]
    assert abs(np.mean([each["answered"]["value"] for each in rates]) - 0.1) < 0.05


def test_more_of_a_signal_never_makes_less_sure() -> None:
    inside, outside = drawn(50, 1.0, 1), drawn(50, 0.0, 2)
    for sign in (1, -1):  # the same signal, and one that says the opposite
        told = [[{"a": each["noise"], "b": sign * each["passage"]} for each in some] for some in (inside, outside)]
        weight = bar_of(told[0], told[1], refuse=0.9).weights["b"]
        assert (weight > 0) if sign > 0 else (weight == 0)


def test_a_bar_comes_back_from_json() -> None:
    bar = bar_of(drawn(30, 2.0, 1), drawn(30, 0.0, 2), refuse=0.9, models="reader:1")
    assert Bar.from_plain(json.loads(json.dumps(bar.to_plain())), "bar.json") == bar


@pytest.mark.parametrize("told", [{}, {"weights": 3}, {"weights": {"a": "x"}, "bias": 0, "least": 0}, []])
def test_what_is_no_bar_is_refused_by_its_place(told: object) -> None:
    with pytest.raises(Refusal, match=r"bar\.json: holds no threshold"):
        Bar.from_plain(told, "bar.json")  # type: ignore[arg-type]


def test_wishes_that_cannot_be_met_are_refused() -> None:
    some = drawn(30, 1.0, 1)
    with pytest.raises(Refusal, match="19 questions inside"):
        bar_of(some[:19], some, refuse=0.9)
    with pytest.raises(Refusal, match="either the share"):
        bar_of(some, some)
    with pytest.raises(Refusal, match=r"the share 1\.5"):
        bar_of(some, some, refuse=1.5)
    with pytest.raises(Refusal, match="at least 99 questions outside"):
        bar_of(some, some, refuse=0.99)
