"""Which tokens may be drawn: the others become impossible.

Legend: B rows, V vocabulary.
"""

from torch import Tensor

NEVER = float("-inf")


def kept(
    scores_BV: Tensor, top_k: int | None, top_p: float | None, min_p: float | None, typical_p: float | None
) -> Tensor:
    """The scores of what each given limit leaves, one limit after the other; at least the likeliest token stays."""
    if top_k is not None:
        least = scores_BV.topk(min(top_k, scores_BV.shape[1])).values[:, -1:]
        scores_BV = scores_BV.masked_fill(scores_BV < least, NEVER)
    if top_p is not None:
        scores_BV = _nucleus(scores_BV, top_p)
    if min_p is not None:
        shares_BV = scores_BV.softmax(1)
        scores_BV = scores_BV.masked_fill(shares_BV < min_p * shares_BV.amax(1, keepdim=True), NEVER)
    if typical_p is not None:
        scores_BV = _typical(scores_BV, typical_p)
    return scores_BV


def _nucleus(scores_BV: Tensor, share: float) -> Tensor:
    """Holtzman et al., 2020: the fewest likeliest tokens that have `share` of the probability together."""
    sorted_BV, order_BV = scores_BV.sort(1)
    left_BV = sorted_BV.softmax(1).cumsum(1) <= 1 - share
    left_BV[:, -1] = False
    return scores_BV.masked_fill(left_BV.scatter(1, order_BV, left_BV), NEVER)


def _typical(scores_BV: Tensor, share: float) -> Tensor:
    """Meister et al., 2023: those whose surprise is nearest to the expected one."""
    log_BV = scores_BV.log_softmax(1)
    entropy_B1 = -(log_BV * log_BV.exp()).nansum(1, keepdim=True)
    off_BV = (-log_BV - entropy_B1).abs()
    sorted_BV, order_BV = off_BV.sort(1)
    last_B = (scores_BV.gather(1, order_BV).softmax(1).cumsum(1) < share).sum(1).clamp_(max=scores_BV.shape[1] - 1)
    left_BV = sorted_BV > sorted_BV.gather(1, last_B[:, None])
    left_BV[:, 0] = False
    return scores_BV.masked_fill(left_BV.scatter(1, order_BV, left_BV), NEVER)
