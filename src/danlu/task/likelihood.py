"""How likely a model finds tokens: what is learnt and answered by all tasks that ask for that alone."""

import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn

from danlu.data.record import Record
from danlu.model.heads import cross_entropy_sum
from danlu.task.task import Output, Prediction, Task
from danlu.task.windowed import Windowed
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded

CHUNK = 1024  # positions whose float32 logits are in memory at once


class OfTokens(Task):
    """Its loss is that of the target `tokens`, -100 where none counts.

    Output of a row: negative log-likelihood (nats) and number of these tokens, (2,).
    """

    by_chunks: ClassVar[bool] = True

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of these tokens, summed."""
        return {"tokens": cross_entropy_sum(said["logits"], batch.targets["tokens"][self.places(batch)])}

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """Negative log-likelihood and number of tokens of each row."""
        tokens_BT = batch.targets["tokens"]
        return list(torch.stack([regrets(said["logits"], tokens_BT), (tokens_BT >= 0).sum(1)], 1).cpu().numpy())


class Likely(OfTokens, Windowed):
    """It learns from text alone, and answers with how likely that is."""

    columns: ClassVar[dict[str, str]] = {"text": "text"}
    answers_by: ClassVar[Literal["forward", "likelihood", "generate"]] = "likelihood"
    answer_form: ClassVar[str] = "likelihood"
    metrics: ClassVar[tuple[str, ...]] = ("perplexity",)

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """See `likelihood_of`."""
        return likelihood_of(outputs)

    def gold(self, record: Record, number: int = 0) -> tuple[float, int]:
        """What a perfect model would say: nothing to regret."""
        return 0.0, 0


def likelihood_of(outputs: Sequence[Output]) -> Prediction:
    """`{"negative_log_likelihood", "tokens", "perplexity"}` of windows of (2,) each, nats and tokens.

    The perplexity of no token is None.
    """
    total, tokens = (float(value) for value in np.stack(outputs).astype(np.float64).sum(0))
    perplexity = math.exp(min(total / tokens, 700)) if tokens else None  # exp(710) is no float64
    return {"negative_log_likelihood": total, "tokens": int(tokens), "perplexity": perplexity}


def regrets(logits_KV: Tensor, tokens_BT: Tensor) -> Tensor:
    """Negative log-likelihood (nats) of the K targets in each row, (B,), float32; `logits_KV` are those of its places.

    `tokens_BT` is the token after each, -100 where none counts.
    """
    keep_BT = tokens_BT >= 0
    parts = zip(torch.split(logits_KV, CHUNK), torch.split(tokens_BT[keep_BT], CHUNK), strict=True)
    losses = [nn.functional.cross_entropy(part.float(), tokens, reduction="none") for part, tokens in parts]
    loss_BT = logits_KV.new_zeros(keep_BT.shape, dtype=torch.float32)
    loss_BT[keep_BT] = torch.cat(losses)
    return loss_BT.sum(1)
