"""What a policy does to the logits of a model before a token is chosen.

Legend: B rows, V vocabulary.
"""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from danlu.model.ends import Ends
from danlu.model.policy import Policy

NEVER = float("-inf")


class History:
    """What stands in a row: what was read, and what was written."""

    def __init__(self, prompt: Sequence[int], written: Sequence[int]) -> None:
        self.prompt = prompt
        self.written = written

    @property
    def all(self) -> list[int]:
        """Both."""
        return [*self.prompt, *self.written]


def shapes(policy: Policy, ends: Ends) -> bool:
    """Whether a policy changes any logit; most do not, and then nothing is copied."""
    penalties = policy.presence_penalty or policy.frequency_penalty or policy.repetition_penalty != 1.0
    return bool(penalties or policy.no_repeat_ngram or policy.min_new_tokens or policy.form or ends.bias or ends.never)


def shaped(policy: Policy, scores_BV: Tensor, histories: Sequence[History], ends: Sequence[Ends]) -> Tensor:
    """Logits, or log-probabilities, as the policy wants them; in the order in which transformers does it."""
    scores_BV = scores_BV.clone()
    size = scores_BV.shape[1]
    for row, (scores_V, history, end) in enumerate(zip(scores_BV, histories, ends, strict=True)):
        if end.bias:
            tokens_K, values_K = end.biases(scores_V)
            scores_V.index_add_(0, tokens_K, values_K)
        if policy.repetition_penalty != 1.0:
            _repetition(scores_V, _within(np.unique(history.all), size), policy.repetition_penalty)
        if policy.presence_penalty or policy.frequency_penalty:
            tokens, counts = np.unique(np.asarray(history.written, np.int64), return_counts=True)
            taken = policy.presence_penalty + policy.frequency_penalty * counts
            scores_V[torch.from_numpy(tokens)] -= torch.from_numpy(taken).to(scores_V)
        never = list(end.never)
        if policy.no_repeat_ngram:
            never += repeated(history.all, policy.no_repeat_ngram)
        if len(history.written) + end.forced < policy.min_new_tokens:
            never += end.ids
        if never:
            scores_BV[row, never] = NEVER
        if end.constraint is not None:
            scores_V.masked_fill_(end.constraint.forbidden(history.written).to(scores_V.device), NEVER)
    return scores_BV


def _within(tokens: "np.ndarray[tuple[int], np.dtype[np.int64]]", size: int) -> Tensor:
    return torch.from_numpy(tokens[tokens < size])


def _repetition(scores_V: Tensor, tokens: Tensor, penalty: float) -> None:
    """Keskar et al., 2019: less likely, whatever the sign of the logit."""
    values = scores_V[tokens]
    scores_V[tokens] = torch.where(values < 0, values * penalty, values / penalty)


def repeated(history: Sequence[int], size: int) -> list[int]:
    """The tokens with which the last `size` would be a run that stands there already (Paulus et al., 2017)."""
    if len(history) < size:
        return []
    tokens = np.asarray(history)
    if size == 1:
        return np.unique(tokens).tolist()  # type: ignore[no-any-return]
    runs = np.lib.stride_tricks.sliding_window_view(tokens, size)
    same = (runs[:, :-1] == tokens[len(tokens) - size + 1 :]).all(1)
    return np.unique(runs[same, -1]).tolist()  # type: ignore[no-any-return]
