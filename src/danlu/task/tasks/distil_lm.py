"""A language model that learns what a teacher expects (Hinton et al., 2015; Sanh et al., 2019)."""

from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from typing import ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from danlu.model.heads import cross_entropy_sum
from danlu.task.language_model import LanguageModel
from danlu.task.likelihood import CHUNK
from danlu.text.batching.batch import LOGGED, Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer

TEACHER = "teacher"
_TOKENS, _SHARES = "tokens", "log_probabilities"
_TOLD = (f"{LOGGED}divergence", f"{LOGGED}cross_entropy")


class DistilLm(LanguageModel):
    """Predict the next token as a teacher does: its divergence from the teacher's distribution at a temperature.

    The loss of a token is (1 - hard) * temperature^2 * KL(teacher || student), both softened by the temperature, and
    `hard` times the cross-entropy of the true token. Of the teacher the likeliest `top` tokens are kept, and what all
    others come to together, so KL is that of distributions over `top` + 1 outcomes, which is never more than the whole.
    The teacher reads each document by itself. Log: the divergence and the cross-entropy of a token.

    Legend: T tokens of a row, K of these that count, V vocabulary, C outcomes.
    """

    roles: ClassVar[tuple[str, ...]] = (TEACHER,)
    role_learns: ClassVar[Mapping[str, str]] = {TEACHER: "causal_lm"}

    temperature: float = Field(default=2.0, ge=0.1, le=100, description="by which both distributions are softened")
    hard: float = Field(default=0.5, ge=0, lt=1, description="weight of the true token beside the teacher")
    top: int | None = Field(
        default=64, ge=1, description="tokens of the teacher that are kept at each place; None: the whole vocabulary"
    )
    vocabulary: int | None = Field(default=None, ge=1, description="tokens that both know; found by looking")

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """See `PackedTokens.suited`; both networks may have more rows than the tokenizer has tokens."""
        return super().suited(model, tokenizer, say).model_copy(update={"vocabulary": len(tokenizer)})

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """See `PackedTokens.collate`."""
        batch = super().collate(encoded, width, tokenizer, rng)
        batch.counts |= dict.fromkeys(_TOLD, batch.counts["tokens"])
        return batch

    def role_says(self, model: nn.Module, row: Batch) -> dict[str, Tensor]:
        """Log-probabilities of the likeliest tokens, and of all others together, (T, C); and these tokens (T, C - 1).

        Where the whole vocabulary is kept, (T, V) alone.
        """
        found, width = dict[str, Tensor](), row.inputs["input_ids"].shape[1]
        for start, stop in _documents(row):
            ids = row.inputs["input_ids"][:, start:stop]
            logits_TV = super().forward(model, {"input_ids": ids})["logits"][0, :, : self.vocabulary]
            for name, value in self._kept(logits_TV).items():
                found.setdefault(name, value.new_zeros(width, value.shape[1]))[start:stop] = value
        return found

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """The weighted sum of both, and for the log each by itself, summed over the tokens."""
        keep_BT = self.places(batch)
        logits_KV = said["logits"]
        tokens_BTC = batch.targets.get(f"{TEACHER}.{_TOKENS}")
        shares_KC = batch.targets[f"{TEACHER}.{_SHARES}"][keep_BT]
        tokens_KC = None if tokens_BTC is None else tokens_BTC[keep_BT]
        parts = [
            divergence(
                logits_KV[start : start + CHUNK, : self.vocabulary],
                shares_KC[start : start + CHUNK],
                None if tokens_KC is None else tokens_KC[start : start + CHUNK],
                self.temperature,
            ).sum()
            for start in range(0, len(logits_KV), CHUNK)
        ]
        far = torch.stack(parts).sum() if parts else logits_KV.float().sum()
        wrong = cross_entropy_sum(logits_KV, batch.targets["tokens"][keep_BT])
        loss = (1 - self.hard) * self.temperature**2 * far + self.hard * wrong
        return {"tokens": loss, _TOLD[0]: far.detach(), _TOLD[1]: wrong.detach()}

    def _kept(self, logits_TV: Tensor) -> dict[str, Tensor]:
        """What is kept of the teacher's logits."""
        log_TV = torch.log_softmax(logits_TV.float() / self.temperature, -1)
        if self.top is None or self.top >= log_TV.shape[1]:
            return {_SHARES: log_TV}
        best = log_TV.topk(self.top)
        return {_SHARES: _with_rest(log_TV, best.indices), _TOKENS: best.indices.int()}


def divergence(logits_KV: Tensor, shares_KC: Tensor, tokens_KC: Tensor | None, temperature: float) -> Tensor:
    """KL of the student's softened distribution from the teacher's (nats), (K,), float32.

    `shares_KC` are the teacher's log-probabilities: of all tokens, or of `tokens_KC` and, last, of all others together.
    """
    own_KV = torch.log_softmax(logits_KV.float() / temperature, -1)
    own_KC = own_KV if tokens_KC is None else _with_rest(own_KV, tokens_KC.long())
    return (shares_KC.exp() * (shares_KC - own_KC)).sum(-1)


def _with_rest(log_TV: Tensor, tokens_TC: Tensor) -> Tensor:
    """Log-probabilities of some tokens, and of all others together as the last, (T, C + 1)."""
    rest_T1 = log_TV.scatter(1, tokens_TC, -torch.inf).logsumexp(1, keepdim=True)
    return torch.cat([log_TV.gather(1, tokens_TC), rest_T1], 1)


def _documents(row: Batch) -> list[tuple[int, int]]:
    """Where the documents of a row begin and end, without padding."""
    segments_BT = row.inputs.get("segments")
    if segments_BT is None:
        counted = torch.nonzero(row.targets["tokens"][0] >= 0)[:, 0].tolist()
        return [(0, counted[-1] + 1 if counted else 1)]
    borders = [0, *(torch.nonzero(segments_BT[0].diff())[:, 0] + 1).tolist(), segments_BT.shape[1]]
    return [(start, stop) for start, stop in pairwise(borders) if segments_BT[0, start] >= 0]
