"""Schedules against those of transformers, whose warm-up counts from 0 where ours counts from 1."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import get_scheduler

from danlu.train.schedule import DECAY_SHARE, Schedule, rate_factor

TOTAL = 50


def theirs(name: str, warmup: int, **special: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    steps = {"num_warmup_steps": warmup}
    if name != "warmup_stable_decay":
        steps["num_training_steps"] = TOTAL
    schedule = get_scheduler(name, optimizer, **steps, **({"scheduler_specific_kwargs": special} if special else {}))
    rates = []
    for _ in range(TOTAL):
        rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    return rates


@pytest.mark.parametrize("warmup", [0, 1, 5])
@pytest.mark.parametrize(
    ("ours", "name"), [("linear", "linear"), ("cosine", "cosine"), ("constant", "constant_with_warmup")]
)
def test_rates_are_those_of_transformers(ours: Schedule, name: str, warmup: int) -> None:
    expected = theirs(name, warmup)
    found = [rate_factor(ours, step, TOTAL, warmup) for step in range(TOTAL)]
    assert found[warmup:] == pytest.approx(expected[warmup:], abs=1e-12)
    assert found[:warmup] == pytest.approx([*expected, 1.0][1 : warmup + 1], abs=1e-12)


def test_warmup_stable_decay_is_that_of_transformers_with_a_straight_end() -> None:
    decay = int(DECAY_SHARE * TOTAL)
    shape = {"num_stable_steps": TOTAL - 5 - decay, "num_decay_steps": decay, "decay_type": "linear"}
    expected = theirs("warmup_stable_decay", 5, **shape)
    found = [rate_factor("warmup_stable_decay", step, TOTAL, 5) for step in range(TOTAL)]
    assert found[5:] == pytest.approx(expected[5:], abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(
    schedule=st.sampled_from(["linear", "cosine", "constant", "warmup_stable_decay"]),
    total=st.integers(1, 300),
    share=st.floats(0, 0.5),
)
def test_factors_rise_once_and_never_after(schedule: Schedule, total: int, share: float) -> None:
    warmup = int(share * total)
    factors = [rate_factor(schedule, step, total, warmup) for step in range(total)]
    assert all(0 < factor <= 1 for factor in factors)
    assert factors[:warmup] == sorted(factors[:warmup])
    assert factors[max(0, warmup - 1) :] == sorted(factors[max(0, warmup - 1) :], reverse=True)
    assert warmup == 0 or factors[warmup - 1] == 1.0
