"""What all tasks have that predict the next token of a row: the rows, the loss, and how documents share a row."""

from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Self

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from danlu.machine.seed import generator
from danlu.model.probe import packs, refuse_looking_ahead
from danlu.task.likelihood import OfTokens
from danlu.task.packing import own_rows, packed_rows, probe_rows
from danlu.task.task import Inputs, Task, Truth
from danlu.text.batching.batch import Batch, pad
from danlu.text.batching.encoded import Encoded, Ids, Row
from danlu.text.tokenizing.special import padding_id
from danlu.text.tokenizing.tokenizer import Tokenizer


class NextTokens(Task):
    """Predict the next token, wherever the target `tokens` of a row names one."""

    auto_class: ClassVar[str] = "AutoModelForCausalLM"

    def config(self) -> dict[str, Any]:
        """Families that can be either, such as BERT, are to be decoders."""
        return {"is_decoder": True}

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task as it is; raises `Refusal` for a model that sees the tokens it is to predict."""
        why = "a token is seen by those before it, so that predicting it teaches nothing"
        refuse_looking_ahead(model, tokenizer, f"{why}; choose the task masked_lm, or a model that generates text")
        return self

    def places(self, batch: Batch) -> Tensor:
        """Where a next token counts."""
        return batch.targets["tokens"] >= 0

    def forward(self, model: nn.Module, inputs: Inputs, places: Tensor | None = None) -> dict[str, Tensor]:
        """See `Task.forward`; no cache is kept, which would make packed documents see each other."""
        return super().forward(model, {**inputs, "use_cache": False}, places)

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """Which tokens are predicted, each from the one before it."""
        values = batch.targets["tokens"][row].tolist()
        return "", [None, *(Truth() if value >= 0 else None for value in values[:-1])]


class PackedTokens(OfTokens, NextTokens):
    """Predict the next token in documents that may share a row.

    They never see each other: `segments` tell them apart, positions begin anew.
    Output of a row: negative log-likelihood (nats) and number of tokens, (2,).
    """

    usual_row: ClassVar[int] = 2048
    """Tokens of a row that documents share where a batch takes examples; some models allow rows of a million."""

    pack: bool = Field(default=True, description="fill the rows of training with several documents each")

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task, without `pack` where documents in one row would see each other.

        Raises `Refusal` for a model that sees the tokens it is to predict, and for a `pack` that was asked for and
        cannot be.
        """
        suited = super().suited(model, tokenizer, say)
        if not self.pack:
            return suited
        rows = probe_rows(model, tokenizer)
        size = len(rows[0])
        lengths = [size // 2, size // 3]
        documents = [
            Encoded(0, (Row(row[:length]),), {"tokens": row[:length]})
            for length, row in zip(lengths, rows, strict=True)
        ]
        batch = self.collate(packed_rows(documents, size), sum(lengths), tokenizer, generator(0, "probe"))
        if packs(model, batch.inputs, lengths):
            return suited
        own_rows(model, say, asked="pack" in self.model_fields_set)
        return suited.model_copy(update={"pack": False})

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The target `tokens` (B, T): the next of each. Nothing looks ahead, so padding to the right needs no mask."""
        rows = [item.row for item in encoded]
        inputs = {"input_ids": pad([row.input_ids for row in rows], width, padding_id(tokenizer))}
        if any(row.segments is not None and row.segments[-1] > 0 for row in rows):
            segments = [np.zeros(len(row), np.int32) if row.segments is None else row.segments for row in rows]
            inputs["segments"] = pad(segments, width, -1)
            inputs["position_ids"] = pad([_positions(row) for row in segments], width, 0)
        tokens_BT = pad([item.targets["tokens"] for item in encoded], width, -100)
        return Batch(
            inputs=inputs,
            targets={"tokens": tokens_BT},
            counts={"tokens": int((tokens_BT >= 0).sum())},
            examples=np.arange(len(encoded)),
            tokens=sum(len(item) for item in encoded),
        )


def _positions(segments_T: Ids) -> Ids:
    """Position of each token in its own document, (T,)."""
    starts = np.flatnonzero(np.diff(segments_T, prepend=-1))
    lengths = np.diff(starts, append=len(segments_T))
    return (np.arange(len(segments_T)) - np.repeat(starts, lengths)).astype(np.int32)
