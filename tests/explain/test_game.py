"""Values of games beside the orders that they are means over."""

from itertools import permutations
from math import factorial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.explain.game import owen, shapley


def game(players, seed):
    """Any game: a number for each coalition."""
    worth = np.random.default_rng(seed).normal(size=2**players)
    return lambda there: worth[there @ (1 << np.arange(players))]


def mean_over(orders, worth, players):
    """What each player adds when it joins, the mean over some orders."""
    total = np.zeros(players)
    for order in orders:
        there = np.zeros((1, players), bool)
        before = worth(there)[0]
        for player in order:
            there[0, player] = True
            total[player] += worth(there)[0] - before
            before = worth(there)[0]
    return total / len(orders)


def in_groups(players):
    """The orders in which halves join one after the other, halves of halves too."""
    if len(players) < 2:
        return [tuple(players)]
    middle = len(players) // 2
    left, right = in_groups(players[:middle]), in_groups(players[middle:])
    return [one + other for one in left for other in right] + [other + one for one in left for other in right]


@pytest.mark.parametrize("players", [1, 2, 3, 5])
def test_shapley_values_are_the_mean_over_all_orders(players):
    worth = game(players, players)
    orders = list(permutations(range(players)))
    assert len(orders) == factorial(players)
    np.testing.assert_allclose(shapley(worth, players), mean_over(orders, worth, players), atol=1e-12)


@pytest.mark.parametrize("players", [1, 2, 3, 6])
def test_owen_values_are_the_mean_over_the_orders_in_which_groups_stay_together(players):
    worth = game(players, players)
    np.testing.assert_allclose(
        owen(worth, players, 10**6), mean_over(in_groups(range(players)), worth, players), atol=1e-12
    )


@given(players=st.integers(1, 9), most=st.integers(2, 200), seed=st.integers(0, 99))
def test_the_sum_is_exact_however_few_coalitions_are_looked_at(players, most, seed):
    worth, looked = game(players, seed), []

    def counted(there):
        looked.append(len(there))
        return worth(there)

    found = owen(counted, players, most)
    everybody, nobody = worth(np.ones((1, players), bool))[0], worth(np.zeros((1, players), bool))[0]
    assert found.sum() == pytest.approx(everybody - nobody, abs=1e-9)
    assert sum(looked) <= max(2, most)


def test_players_that_do_not_need_each_other_are_worth_what_they_bring():
    worths = np.array([1.0, -2.0, 0.5, 4.0])
    np.testing.assert_allclose(owen(lambda there: there @ worths, 4, 100), worths)
    np.testing.assert_allclose(shapley(lambda there: there @ worths, 4), worths)
