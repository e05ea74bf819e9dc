"""Causal language modelling: each token from those before it (Bengio et al., 2003; Radford et al., 2018)."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field
from torch import Tensor

from danlu.model.heads import cross_entropy_and_squares
from danlu.task.language_model import LanguageModel
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer

Z_LOSS = "z_loss"


class CausalLm(LanguageModel):
    """Predict the next token.

    With `z_loss` the logarithm of what the softmax divides by is drawn towards 0, so that logits do not drift (PaLM,
    Chowdhery et al., 2022): its square, times that number, is added to the loss of a token.
    """

    by_chunks: ClassVar[bool] = True

    z_loss: float = Field(
        default=0.0, ge=0, le=1, description="weight of the squared log of the normaliser (PaLM: 1e-4)"
    )

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """See `PackedTokens.collate`; `z_loss` counts the same tokens."""
        batch = super().collate(encoded, width, tokenizer, rng)
        if self.z_loss:
            batch.counts[Z_LOSS] = batch.counts["tokens"]
        return batch

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy of the next tokens, and of these the weighted squares of log Z, each summed."""
        if not self.z_loss:
            return super().losses(said, batch)
        loss, squares = cross_entropy_and_squares(said["logits"], batch.targets["tokens"][self.places(batch)])
        return {"tokens": loss, Z_LOSS: self.z_loss * squares}
