"""A linear chain of classes, beside all of its paths one by one."""

from itertools import pairwise, product

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from danlu.text.batching.bio import allowed_steps, best_path
from danlu.text.batching.chain import NEVER, log_losses, marginals


def chain(types, seed):
    classes = 1 + 2 * types
    transitions = np.random.default_rng(seed).normal(size=(classes + 1, classes))
    return np.where(allowed_steps(classes), transitions, NEVER)


def score(path, scores_TC, transitions, *, begins=True):
    moves = sum(transitions[one, two] for one, two in pairwise(path))
    first = transitions[-1, path[0]] if begins else 0.0
    return first + moves + sum(scores_TC[place, value] for place, value in enumerate(path))


@given(st.integers(1, 4), st.integers(1, 2), st.booleans(), st.integers(0, 10_000))
def test_losses_paths_and_probabilities_are_those_of_all_paths_one_by_one(tokens, types, begins, seed):
    transitions, rng = chain(types, seed), np.random.default_rng(seed + 1)
    scores_TC = rng.normal(size=(tokens, 1 + 2 * types))
    paths = list(product(range(1 + 2 * types), repeat=tokens))
    every = np.array([score(path, scores_TC, transitions, begins=begins) for path in paths])
    true = paths[int(every.argmax())]
    loss = log_losses(
        torch.tensor(scores_TC)[None], torch.tensor(true)[None], torch.tensor(transitions), torch.tensor([begins])
    )
    assert float(loss[0]) == pytest.approx(np.log(np.exp(every - every.max()).sum()), abs=1e-5)
    if begins:
        assert best_path(scores_TC, transitions).tolist() == list(true)
        shares = np.exp(every - every.max()) / np.exp(every - every.max()).sum()
        found = np.exp(marginals(scores_TC, transitions))
        for token, value in product(range(tokens), range(1 + 2 * types)):
            expected = sum(share for share, path in zip(shares, paths, strict=True) if path[token] == value)
            assert found[token, value] == pytest.approx(expected, abs=1e-6)


def test_a_step_that_is_not_allowed_is_in_no_path():
    scores_TC = np.zeros((2, 3))
    scores_TC[:, 2] = 50.0
    assert best_path(scores_TC, chain(1, 0)).tolist() == [1, 2]


def test_the_gradient_of_the_loss_is_probability_less_truth_and_numeric_ones_agree():
    transitions = torch.tensor(chain(2, 3), requires_grad=True)
    scores = torch.randn(1, 4, 5, dtype=torch.float64, generator=torch.manual_seed(0), requires_grad=True)
    true, begins = torch.tensor([[1, 2, 0, 3]]), torch.tensor([True])
    log_losses(scores, true, transitions, begins).sum().backward()
    expected = np.exp(marginals(scores[0].detach().numpy(), transitions.detach().numpy()))
    expected -= np.eye(5)[true[0]]
    np.testing.assert_allclose(scores.grad[0].numpy(), expected, atol=1e-6)
    at = (1, 2)
    moved = []
    for by in (1e-2, -1e-2):
        changed = transitions.detach().clone()
        changed[at] += by
        moved.append(float(log_losses(scores.detach(), true, changed, begins).sum()))
    assert float(transitions.grad[at]) == pytest.approx((moved[0] - moved[1]) / 2e-2, abs=1e-4)


def test_padding_company_and_tokens_without_a_class_change_nothing():
    transitions = torch.tensor(chain(1, 5), dtype=torch.float32)
    scores = torch.randn(3, 6, 3, generator=torch.manual_seed(1))
    classes = torch.tensor([[-100, 1, 2, -100, 0, -100], [-100] * 6, [1, 1, 2, 0, 0, 0]])
    begins = torch.tensor([True, True, False])
    together = log_losses(scores, classes, transitions, begins)
    assert together[1] == 0
    tight = log_losses(scores[:1, [1, 2, 4]], classes[:1, [1, 2, 4]], transitions, begins[:1])
    torch.testing.assert_close(together[:1], tight)
    torch.testing.assert_close(together[2:], log_losses(scores[2:], classes[2:], transitions, begins[2:]))
