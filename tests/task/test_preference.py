"""Losses of preferences beside their formulas in float64, and their gradients beside finite differences."""

import numpy as np
import pytest
import torch

from danlu.task.preference import dpo, ipo, kl_estimate, kto, orpo, simpo

CHOSEN, REJECTED = np.array([-3.5, -0.25, -1.75, 2.5]), np.array([-4.0, -1.5, -0.5, -2.25])


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def test_losses_are_their_formulas_in_float64():
    c, r = torch.tensor(CHOSEN), torch.tensor(REJECTED)
    np.testing.assert_allclose(dpo(c, r, 0.3), np.log1p(np.exp(-0.3 * (CHOSEN - REJECTED))), rtol=1e-13)
    np.testing.assert_allclose(ipo(c, r, 0.3), (CHOSEN - REJECTED - 1 / 0.6) ** 2, rtol=1e-13)
    np.testing.assert_allclose(simpo(c, r, 2.5, 0.4), np.log1p(np.exp(0.4 - 2.5 * (CHOSEN - REJECTED))), rtol=1e-13)
    odds = [np.exp(x) / (1 - np.exp(x)) for x in (CHOSEN[:3], REJECTED[:3])]
    np.testing.assert_allclose(orpo(c[:3], r[:3], 0.2), -0.2 * np.log(sigmoid(np.log(odds[0] / odds[1]))), rtol=1e-12)
    good = np.array([True, False, False, True])
    z = float(kl_estimate(r + 3))
    assert z == np.mean(REJECTED + 3) > 0
    assert float(kl_estimate(r)) == 0
    right = np.where(good, 1.3 * (1 - sigmoid(0.1 * (CHOSEN - z))), 0.7 * (1 - sigmoid(0.1 * (z - CHOSEN))))
    np.testing.assert_allclose(kto(c, torch.tensor(good), torch.tensor(z), 0.1, (1.3, 0.7)), right, rtol=1e-13)


@pytest.mark.parametrize(
    "loss",
    [
        lambda c, r: dpo(c, r, 0.3),
        lambda c, r: ipo(c, r, 0.3),
        lambda c, r: orpo(c - 5, r - 5, 0.3),
        lambda c, r: simpo(c, r, 2.0, 1.0),
        lambda c, r: kto(c, torch.tensor([True, False, True, False]), torch.tensor(0.3), 0.3, (1.0, 1.5)) + 0 * r,
    ],
    ids=["dpo", "ipo", "orpo", "simpo", "kto"],
)
def test_gradients_are_those_of_finite_differences(loss):
    c, r = (torch.tensor(values, requires_grad=True) for values in (CHOSEN, REJECTED))
    assert torch.autograd.gradcheck(loss, (c, r))


def test_no_gradient_goes_through_the_divergence():
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    assert not kl_estimate(values).requires_grad
