"""What is explained: one number that a network says of a row.

N variants of a row, T tokens, C classes.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import exp
from typing import Literal

import torch
from torch import Tensor

from danlu.explain.tokens import Token
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded

Said = Mapping[str, Tensor]


def _as_it_is(batch: Batch) -> Batch:
    return batch


@dataclass(frozen=True)
class Aim:
    """One number, and the row of which it is asked.

    - `target`: what it is the number of, in words: a label, a token that was written.
    - `unit`: "log-odds", log(p / (1 - p)) of a probability p, which for two classes is the difference of their logits;
      or "number", in the unit of the data.
    - `item`, `texts`, `tokens`: the row, what it was made of, and what stands in it.
    - `of`: the number (N,) of each variant of the row, from what the network said of a batch of them.
    - `narrow`: the batch with the places alone at which the number is read.
    - `whole`: what the whole text gets, as it is shown, where the row is one of the pieces in which it is read.
    """

    target: str
    unit: Literal["log-odds", "number"]
    item: Encoded
    texts: Mapping[str, str]
    tokens: tuple[Token, ...]
    of: Callable[[Said, Batch], Tensor]
    narrow: Callable[[Batch], Batch] = _as_it_is
    whole: float | None = None

    def shown(self, value: float) -> float:
        """A probability where the number is of one, else the number."""
        return _share(value) if self.unit == "log-odds" else value


def log_odds(logits_NC: Tensor, number: int) -> Tensor:
    """Log-odds (N,) of one class of a softmax: its logit less the logarithm of the sum of all others' exponentials."""
    others_NC = torch.cat([logits_NC[:, :number], logits_NC[:, number + 1 :]], 1).float()
    return logits_NC[:, number].float() - torch.logsumexp(others_NC, 1)


def _share(value: float) -> float:
    return 1 / (1 + exp(-value)) if value >= 0 else exp(value) / (1 + exp(value))
