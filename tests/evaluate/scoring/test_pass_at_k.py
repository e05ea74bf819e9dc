"""pass@k against all ways to draw, and against the formula as it was published."""

from itertools import combinations

import numpy as np
import pytest

from danlu.evaluate.scoring.pass_at_k import mean_pass_at_k, pass_at_k


@pytest.mark.parametrize("written", range(1, 9))
def test_it_is_the_share_of_draws_in_which_one_passes(written):
    for passed in range(written + 1):
        programs = [True] * passed + [False] * (written - passed)
        for k in range(1, written + 1):
            draws = [any(drawn) for drawn in combinations(programs, k)]
            assert pass_at_k(written, passed, k) == pytest.approx(sum(draws) / len(draws), abs=1e-15)


def test_it_is_the_published_formula_where_the_numbers_are_large():
    """Chen et al. (2021), figure 3: `1 - prod(1 - k / arange(n - c + 1, n + 1))`."""
    for written, passed, k in ((200, 3, 100), (200, 150, 10), (64, 1, 1), (64, 60, 10)):
        published = 1.0 if written - passed < k else 1 - np.prod(1 - k / np.arange(written - passed + 1, written + 1))
        assert pass_at_k(written, passed, k) == pytest.approx(published, rel=1e-12)


def test_it_is_without_bias():
    """The mean over what may be drawn is what k programs of this model do; the plain estimate is below it."""
    rng, share, k = np.random.default_rng(0), 0.2, 3
    drawn = rng.binomial(10, share, 20_000)
    truth = 1 - (1 - share) ** k
    assert np.mean([pass_at_k(10, passed, k) for passed in drawn]) == pytest.approx(truth, abs=0.005)
    assert np.mean(1 - (1 - drawn / 10) ** k) < truth - 0.02


def test_the_mean_over_problems_has_its_interval():
    found = mean_pass_at_k(2, [0, 1, 2, 2], 1)
    assert found.value == pytest.approx(0.625)
    assert 0 <= found.low < found.value < found.high <= 1
