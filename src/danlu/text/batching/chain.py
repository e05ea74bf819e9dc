"""A linear chain of classes: a conditional random field (Lafferty, McCallum and Pereira, 2001) over a network's scores.

A path scores what its tokens say of their classes, and what each class says of the next. Transitions are (C + 1, C):
from a class to a class, the last row to the first class of a text. B rows, L places, T tokens, C classes.
"""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from danlu.text.batching.bio import allowed_steps

Floats = NDArray[np.float64]

NEVER = -1e4
"""The score of a step that is not allowed: finite, so that gradients stay numbers."""


def log_losses(scores_BTC: Tensor, classes_BT: Tensor, transitions: Tensor, begins_B: Tensor) -> Tensor:
    """How much less than all paths together the true one scores, (B,), in logarithms, float32; not below 0.

    The chain goes from one place with a class to the next, over all that are below 0. Where `begins_B` is false the
    row is a piece of a text, and its first class may be any.
    """
    places_BL, filled_BL = _places(classes_BT)
    scores_BLC = scores_BTC.float().gather(1, places_BL[..., None].expand(-1, -1, scores_BTC.shape[-1]))
    true_BL = classes_BT.gather(1, places_BL).clamp(min=0)
    steps_CC, first_C = transitions[:-1].float(), transitions[-1].float()
    first_BC = first_C * begins_B[:, None]
    alpha_BC = scores_BLC[:, 0] + first_BC
    for place in range(1, scores_BLC.shape[1]):
        next_BC = torch.logsumexp(alpha_BC[:, :, None] + steps_CC, 1) + scores_BLC[:, place]
        alpha_BC = torch.where(filled_BL[:, place, None], next_BC, alpha_BC)
    own_BL = scores_BLC.gather(2, true_BL[..., None])[..., 0] * filled_BL
    moves_BL = steps_CC[true_BL[:, :-1], true_BL[:, 1:]] * filled_BL[:, 1:]
    true_B = own_BL.sum(1) + moves_BL.sum(1) + first_BC.gather(1, true_BL[:, :1])[:, 0]
    return (torch.logsumexp(alpha_BC, 1) - true_B) * filled_BL[:, 0]


def _places(classes_BT: Tensor) -> tuple[Tensor, Tensor]:
    """Of each row the places that have a class, those first, (B, L), and which of these there are."""
    has_BT = classes_BT >= 0
    most = max(1, int(has_BT.sum(1).max()))
    order_BT = torch.argsort((~has_BT).to(torch.uint8), dim=1, stable=True)[:, :most]
    return order_BT, has_BT.gather(1, order_BT)


def marginals(scores_TC: NDArray[np.floating], transitions: Floats) -> Floats:
    """The log-probability of each class at each token of a whole text, (T, C), in all paths together."""
    steps_CC, count = transitions[:-1], len(scores_TC)
    forward_TC, backward_TC = np.zeros(scores_TC.shape), np.zeros(scores_TC.shape)
    for token in range(count):
        before_C = _log_sum(forward_TC[token - 1][:, None] + steps_CC, 0) if token else transitions[-1]
        forward_TC[token] = before_C + scores_TC[token]
    for token in range(count - 2, -1, -1):
        backward_TC[token] = _log_sum(steps_CC + (scores_TC[token + 1] + backward_TC[token + 1]), 1)
    together_TC = forward_TC + backward_TC
    return together_TC - _log_sum(together_TC, 1)[:, None]


def _log_sum(values: Floats, axis: int) -> Floats:
    most = values.max(axis, keepdims=True)
    total: Floats = np.log(np.exp(values - most).sum(axis)) + most.squeeze(axis)
    return total


def with_rules(transitions: Tensor) -> Tensor:
    """The transitions, (C + 1, C), never those by which something goes on that has not begun."""
    allowed = torch.from_numpy(allowed_steps(transitions.shape[1])).to(transitions.device)
    return transitions.masked_fill(~allowed, NEVER)


@lru_cache(8)
def steps_of(transitions: tuple[tuple[float, ...], ...], classes: int) -> NDArray[np.float64]:
    """The same of transitions in plain numbers, where there are none of all alike."""
    known = torch.tensor(transitions or np.zeros((classes + 1, classes)), dtype=torch.float64)
    return with_rules(known).numpy()


def in_classes(logits_BTR: Tensor, rows: Sequence[Sequence[int]]) -> Tensor:
    """The logits of classes (B, T, C), each with the sum of the probabilities of its `rows` of a head."""
    logits_BTR = logits_BTR.float()
    never_BT = torch.full_like(logits_BTR[..., 0], NEVER)
    return torch.stack([torch.logsumexp(logits_BTR[..., row], -1) if row else never_BT for row in rows], -1)
