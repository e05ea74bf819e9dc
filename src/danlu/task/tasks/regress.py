"""A number for a text, or for two, by least squares (such as relatedness: Marelli et al., 2014)."""

from collections.abc import Mapping, Sequence
from math import isfinite
from typing import Any, ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.columns import number_in
from danlu.task.followed import Followed, Outcomes
from danlu.task.task import Output, Prediction, Truth
from danlu.task.texts import SECOND, batch_of, encoded_texts, in_pairs, with_second
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer

FARTHEST = 1e6
"""Deviations from the mean that a number has at most: its square is a loss in float32."""


class Regress(Followed):
    """Say a number of a text, or of a text and another in `text_pair`.

    The model learns (number - mean) / deviation, whatever the unit. A text that is split takes the mean of its windows.
    Output of a row: that number (1,).
    """

    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    columns: ClassVar[dict[str, str]] = {"text": "text", "score": "a number"}
    other_columns: ClassVar[tuple[str, ...]] = (SECOND,)
    answer_form: ClassVar[str] = "number"
    metrics: ClassVar[tuple[str, ...]] = ("pearson", "spearman", "mse", "mae")
    baseline: ClassVar[str | None] = "tfidf_number"
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "一个人在弹吉他。", "text_pair": "有人在演奏乐器。", "score": 4.2},
        {"text": "A dog is running.", "text_pair": "The stock market fell.", "score": 1.0},
        {"text": "两只猫在睡觉。", "text_pair": "猫在睡。", "score": 4.8},
    )

    pairs: bool | None = Field(default=None, description="whether 'text_pair' is read too; None: as the data have it")
    mean: float = Field(default=0.0, allow_inf_nan=False, description="of the numbers in the training data")
    deviation: float = Field(default=0.0, ge=0, allow_inf_nan=False, description="theirs; 0: as the training data say")

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task with mean and deviation of the training records, where it has none.

        Raises `Refusal` for a record without a number, where all numbers are the same, and where they are too large
        or too close to have a deviation.
        """
        pairs = in_pairs(records) if self.pairs is None else self.pairs
        numbers_N = np.array([number_in(record, number, "score") for number, record in enumerate(records)])
        if self.mean and not self.deviation:
            raise Refusal("task.mean has no effect without 'deviation'; give both, or leave both out")
        if self.deviation:
            for number, value in enumerate(numbers_N):
                if not abs(value - self.mean) <= FARTHEST * self.deviation:
                    raise Refusal(
                        f"record {number + 1:,}: the score {value:g} is more than {FARTHEST:g} times the task's "
                        f"'deviation', {self.deviation:g}, from its 'mean', {self.mean:g}; mend these, or leave both "
                        "out"
                    )
            return self.model_copy(update={"pairs": pairs})
        if not len(numbers_N) or numbers_N.min() == numbers_N.max():
            seen = f"only the number {numbers_N[0]:g}" if len(numbers_N) else "no record"
            raise Refusal(
                f"column 'score': there is {seen} in the training data; there must be two or more to learn from"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            mean, deviation = float(numbers_N.mean()), float(numbers_N.std())
        if not isfinite(mean) or not 0 < deviation < float("inf"):
            raise Refusal(
                f"column 'score': its numbers reach from {numbers_N.min():g} to {numbers_N.max():g}, and their "
                "deviation is no finite number; give them in another unit"
            )
        return self.model_copy(update={"pairs": pairs, "mean": mean, "deviation": deviation})

    def config(self) -> dict[str, Any]:
        """One output, and the kind of problem, as transformers' pipelines read it."""
        return {"num_labels": 1, "problem_type": "regression"}

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a text, or one a window; the target `number` is what the model is to say."""
        numbers = [number_in(record, number, "score") for number, record in enumerate(records)] if labelled else None
        limit = min(limit, self.max_length or limit)
        encoded = encoded_texts(records, tokenizer, limit, self.too_long, pairs=bool(self.pairs))
        for item in encoded if numbers is not None else ():
            item.targets["number"] = (numbers[item.record] - self.mean) / self._scale()  # type: ignore[index]
        return encoded

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The target `number` (B,), not a number (NaN) for rows without."""
        number_B = torch.tensor([item.targets.get("number", float("nan")) for item in encoded], dtype=torch.float32)
        return batch_of(encoded, width, tokenizer, {"number": number_B}, {"number": int(number_B.isfinite().sum())})

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Squared difference, summed over the rows."""
        number_B = batch.targets["number"]
        keep_B = number_B.isfinite()
        return {"number": functional.mse_loss(said["logits"].float()[keep_B, 0], number_B[keep_B], reduction="sum")}

    def outcomes(self, said: Mapping[str, Tensor], batch: Batch) -> Outcomes:
        """What is said of each row, in the unit of the data."""
        return Outcomes("number", self.mean + self._scale() * said["logits"].float(), self._scale())

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """What the model says of each row, (1,)."""
        return list(said["logits"].float().cpu().numpy())

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """`{"number": ...}`, in the unit of the data."""
        return {"number": self.mean + self._scale() * float(np.stack(outputs).astype(np.float64).mean())}

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """The number in the unit of the data."""
        number = float(batch.targets["number"][row])
        return f"{self.mean + self._scale() * number:.6g}" if isfinite(number) else "", []

    @property
    def reads(self) -> tuple[str, ...]:
        """See `Task.reads`."""
        return ("text", SECOND) if self.pairs else ("text",)

    def tried(self) -> Record:
        """See `Task.tried`."""
        return with_second(self.sample[0], pairs=self.pairs)

    def gold(self, record: Record, number: int = 0) -> float:
        """The number."""
        return number_in(record, number, "score")

    def _scale(self) -> float:
        return self.deviation or 1.0
