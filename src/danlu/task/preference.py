"""Losses of preferences, each from the log-probabilities of answers alone; every one is small enough to read.

What an answer is worth, its implicit reward, is beta times the log of how much likelier the model finds it than a
reference does, or without a reference beta times its log-probability a token.

Legend: N pairs or examples. `chosen`, `rejected`: log-probabilities (nats), (N,), of all tokens of an answer under the
model, minus those under the reference where there is one; `_mean`: a token. Losses are (N,), not yet summed.
"""

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid


def dpo(chosen_N: Tensor, rejected_N: Tensor, beta: float) -> Tensor:
    """-log sigmoid(beta (chosen - rejected)), of log-ratios to a reference (Rafailov et al., 2023, equation 7)."""
    return -logsigmoid(beta * (chosen_N - rejected_N))


def ipo(chosen_N: Tensor, rejected_N: Tensor, beta: float) -> Tensor:
    """(chosen - rejected - 1 / (2 beta))^2, of log-ratios to a reference (Azar et al., 2023, equation 17)."""
    return (chosen_N - rejected_N - 1 / (2 * beta)) ** 2


def orpo(chosen_mean_N: Tensor, rejected_mean_N: Tensor, beta: float) -> Tensor:
    """-beta log sigmoid(log odds(chosen) - log odds(rejected)) (Hong et al., 2024, equations 4 to 7).

    An answer's probability is the geometric mean of its tokens'. The paper adds the cross-entropy of the chosen answer.
    """
    return -beta * logsigmoid(_log_odds(chosen_mean_N) - _log_odds(rejected_mean_N))


def simpo(chosen_mean_N: Tensor, rejected_mean_N: Tensor, beta: float, margin: float) -> Tensor:
    """-log sigmoid(beta (chosen - rejected) - margin), of means over tokens (Meng et al., 2024, equation 6)."""
    return -logsigmoid(beta * (chosen_mean_N - rejected_mean_N) - margin)


def kto(answer_N: Tensor, good_N: Tensor, divergence: Tensor, beta: float, weights: tuple[float, float]) -> Tensor:
    """Weight (1 - sigmoid(beta s (answer - divergence))), s = 1 for good answers and -1 for bad ones.

    `divergence` is that of `kl_estimate`, through which no gradient goes; `weights` are of good and of bad answers
    (Ethayarajh et al., 2024, equation 8).
    """
    good_N = good_N.to(answer_N.dtype)
    weight_N = weights[0] * good_N + weights[1] * (1 - good_N)
    return weight_N * (1 - torch.sigmoid(beta * (2 * good_N - 1) * (answer_N - divergence)))


def kl_estimate(mismatched_N: Tensor) -> Tensor:
    """How far the model is from the reference, (), not below 0, from log-ratios of answers to other questions.

    See Ethayarajh et al., 2024, section 4.1.
    """
    return mismatched_N.detach().mean().clamp(min=0)


def _log_odds(mean_N: Tensor) -> Tensor:
    """log(p / (1 - p)) of p = exp(mean); p is kept below 1 by what float32 can tell from it."""
    below_N = mean_N.clamp(max=-1e-6)
    return below_N - torch.log(-torch.expm1(below_N))
