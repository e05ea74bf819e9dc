"""What all tasks have that choose one of a fixed set of labels: their names, the softmax over them, the answer."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor

from danlu.data.labels import LabelNames, known_label
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.columns import label_in
from danlu.task.task import Output, Prediction, Task, Truth
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer


class OneLabel(Task):
    """Choose one label by a softmax over the pooled row. Output of a row: log-probabilities (C,)."""

    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    answer_form: ClassVar[str] = "label"
    label_means: ClassVar[str] = "label"
    """What a label says, for people."""

    labels: LabelNames = Field(
        default=(), description="the labels; empty: those of the training data, numbers by size, others by their text"
    )

    def config(self) -> dict[str, Any]:
        """Names and number of the labels, and the kind of problem, as transformers' pipelines read them."""
        return {
            "id2label": dict(enumerate(self.labels)),
            "label2id": {label: number for number, label in enumerate(self.labels)},
            "problem_type": "single_label_classification",
        }

    def logits(self, said: Mapping[str, Tensor]) -> Tensor:
        """The logits (B, C), float32, from what `forward` gave."""
        return said["logits"].float()

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """Log-probabilities (C,) of each row."""
        return list(torch.log_softmax(self.logits(said), -1).cpu().numpy())

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """`{"label": ..., "scores": {label: probability}}`, of several windows the mean."""
        probabilities_C = mean_share(outputs)
        told_C = self.as_told(probabilities_C)
        scores = {label: float(value) for label, value in zip(self.labels, told_C, strict=True)}
        return {"label": self.labels[int(probabilities_C.argmax())], "scores": scores}

    def as_told(self, shares_C: NDArray[np.float64]) -> NDArray[np.float64]:
        """The probabilities as they are told, which are those of the model."""
        return shares_C

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """The name of the label."""
        number = int(batch.targets["label"][row])
        return self.labels[number] if number >= 0 else "", []

    def gold(self, record: Record, number: int = 0) -> str:
        """The label."""
        label = label_in(record, number)
        return known_label(label, self.labels) or label

    def label_names(self) -> tuple[str, ...]:
        """The labels in the order of the model's outputs."""
        return self.labels

    def number_of(self, record: Record, number: int) -> int:
        """The number of the label of a record, which is itself number `number` from 0.

        Raises `Refusal` for a label that is not among those of the training data.
        """
        return place_of(record, number, self.labels, self.label_means)


def mean_share(outputs: Sequence[Output]) -> NDArray[np.float64]:
    """The probabilities (C,) of a record, the mean of those of its windows."""
    shares_C: NDArray[np.float64] = np.exp(np.stack(outputs).astype(np.float64)).mean(0)
    return shares_C


def place_of(record: Record, number: int, labels: Sequence[str], means: str = "label") -> int:
    """The number of the label of a record among those that were learnt; `means` says what a label is, for people.

    Raises `Refusal` for a label that is none of them.
    """
    label = label_in(record, number)
    found = known_label(label, labels)
    if found is None:
        known = ", ".join(labels[:20]) + (" ..." if len(labels) > 20 else "")
        raise Refusal(
            f"record {number + 1:,}: the {means} '{label}' is not among those of the training data "
            f"({known}); mend the record, or train again with records of that {means}"
        )
    return labels.index(found)
