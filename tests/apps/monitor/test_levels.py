"""Sums of log-likelihood ratios beside their formula, and written out step by step."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from danlu.apps.monitor.alarm import Alarm
from danlu.apps.monitor.calibration import LEAST, thresholds
from danlu.apps.monitor.levels import HELD_BACK, Levels, log_ratio, shifted

COUNTS = st.tuples(st.integers(0, 200), st.integers(0, 200))


@settings(max_examples=100, deadline=None)
@given(COUNTS, st.floats(0.01, 0.99), st.floats(0.1, 10))
def test_the_ratio_is_that_of_two_binomial_likelihoods(counts: tuple[int, int], share: float, odds: float) -> None:
    negatives, texts = counts[0], sum(counts)
    after = float(shifted(np.array(share), odds))
    expected = binom.logpmf(negatives, texts, after) - binom.logpmf(negatives, texts, share)
    found = log_ratio(np.array(float(negatives)), np.array(float(texts)), np.array(share), odds)
    assert float(found) == pytest.approx(expected, abs=1e-7)
    assert after / (1 - after) == pytest.approx(odds * share / (1 - share))


@settings(max_examples=30, deadline=None)
@given(st.lists(COUNTS, min_size=1, max_size=30), st.floats(1.2, 5))
def test_sums_are_those_of_a_loop_over_one_direction_at_a_time(counts: list[tuple[int, int]], odds: float) -> None:
    levels = Levels.of(np.array([30.0, 200.0]), np.array([100.0, 400.0]))
    for negatives, others in counts:
        both = np.array([float(negatives), float(others)])
        levels.step(both, np.full(2, float(negatives + others)), odds, 500)
    for stream, (known, texts) in enumerate([(30.0, 100.0), (200.0, 400.0)]):
        for row, factor in enumerate((odds, 1 / odds)):
            assert levels.sums[row, stream] == pytest.approx(_by_hand(counts, stream, known, texts, factor, 500))


def _by_hand(counts: list[tuple[int, int]], stream: int, known: float, texts: float, odds: float, memory: int) -> float:
    total = run_negatives = run_texts = 0.0
    for pair in counts:
        negatives, count = pair[stream], sum(pair)
        share = (known - run_negatives + 0.5) / (texts - run_texts + 1)
        after = odds * share / (1 - share + odds * share)
        total += binom.logpmf(negatives, count, after) - binom.logpmf(negatives, count, share)
        if total > 1e-12:
            run_negatives, run_texts = run_negatives + negatives, run_texts + count
        else:
            total = run_negatives = run_texts = 0.0
        known, texts = known + negatives, texts + count
        kept = min(1.0, memory / texts) if texts else 1.0
        known, texts = known * kept, texts * kept
        kept = min(1.0, HELD_BACK * texts / run_texts) if run_texts > 1 else min(1.0, HELD_BACK * texts)
        run_negatives, run_texts = run_negatives * kept, run_texts * kept
    return total


def test_a_threshold_is_higher_the_more_may_happen_and_the_less_is_known() -> None:
    alarm = Alarm(step=86_400)
    usual = thresholds(60, 300, 20, alarm)
    assert all(3 < each < 20 for each in usual)
    assert min(np.subtract(usual, thresholds(60, 300, 1, alarm))) > 0
    assert thresholds(60, 300, 5000, alarm) == (LEAST, LEAST)
    assert min(np.subtract(thresholds(12, 60, 20, alarm), usual)) > 0
    assert min(np.subtract(thresholds(60, 300, 20, Alarm(step=86_400, false_alarms=0.005)), usual)) > 0
    assert thresholds(60, 300, 20, alarm) == usual
