"""One label for a text: softmax over a pooled row (Devlin et al., 2018)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from pydantic import Field
from torch import Tensor, nn

from danlu.data.labels import LabelNames, in_order, known_label, spellings
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.columns import label_in, text_in
from danlu.task.inputs import model_inputs
from danlu.task.task import Output, Prediction, Task, Truth
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.windows import windows
from danlu.text.tokenizing.tokenizer import Tokenizer


class Classify(Task):
    """Choose one of a fixed set of labels for a text.

    A text that is split takes the mean probabilities of its windows. Output of a row: log-probabilities (C,).
    """

    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    columns: ClassVar[dict[str, str]] = {"text": "text", "label": "a label (text)"}
    answer_form: ClassVar[str] = "label"
    metrics: ClassVar[tuple[str, ...]] = ("macro_f1", "accuracy")
    baseline: ClassVar[str | None] = "tfidf"
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "这本书写得很好，值得再读一遍。", "label": "positive"},
        {"text": "The screen broke after two days.", "label": "negative"},
        {"text": "物流太慢，包装也破了。", "label": "negative"},
    )

    labels: LabelNames = Field(
        default=(), description="the labels; empty: those of the training data, numbers by size, others by their text"
    )

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task with the labels of the training records, of each the commonest spelling.

        Raises `Refusal` for a record without a label, for one that is not among `labels` where these were given,
        and where all records carry the same label.
        """
        counts = Counter(label_in(record, number) for number, record in enumerate(records))
        found = in_order(spellings(counts).counted(counts))
        if self.labels:
            for number, record in enumerate(records):
                self._number(record, number)
            return self
        if len(found) < 2:
            seen = f"only the label '{found[0]}'" if found else "no record"
            raise Refusal(
                f"column 'label': there is {seen} in the training data; a classifier needs two labels or more"
            )
        return self.model_copy(update={"labels": tuple(found)})

    def config(self) -> dict[str, Any]:
        """Names and number of the labels, and the kind of problem, as transformers' pipelines read them."""
        return {
            "id2label": dict(enumerate(self.labels)),
            "label2id": {label: number for number, label in enumerate(self.labels)},
            "problem_type": "single_label_classification",
        }

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a text, or one a window; the target `label` is the number of the label."""
        texts = [text_in(record, number) for number, record in enumerate(records)]
        numbers = [self._number(record, number) for number, record in enumerate(records)] if labelled else None
        encoded = windows(texts, tokenizer, min(limit, self.max_length or limit), self.too_long)
        if numbers is not None:
            for item in encoded:
                item.targets["label"] = numbers[item.record]
        return encoded

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The target `label` (B,), -100 for rows without."""
        labels = torch.tensor([item.targets.get("label", -100) for item in encoded])
        return Batch(
            inputs=model_inputs([item.row for item in encoded], width, tokenizer),
            targets={"label": labels},
            counts={"label": int((labels >= 0).sum())},
            examples=np.arange(len(encoded)),
            tokens=sum(len(item) for item in encoded),
        )

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy, summed over the rows."""
        logits_BC = said["logits"].float()
        return {"label": nn.functional.cross_entropy(logits_BC, batch.targets["label"], reduction="sum")}

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """Log-probabilities (C,) of each row."""
        return list(torch.log_softmax(said["logits"].float(), -1).cpu().numpy())

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """`{"label": ..., "scores": {label: probability}}`."""
        probabilities_C = np.exp(np.stack(outputs).astype(np.float64)).mean(0)
        scores = {label: float(value) for label, value in zip(self.labels, probabilities_C, strict=True)}
        return {"label": self.labels[int(probabilities_C.argmax())], "scores": scores}

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

    def _number(self, record: Record, number: int) -> int:
        label = label_in(record, number)
        found = known_label(label, self.labels)
        if found is None:
            known = ", ".join(self.labels[:20]) + (" ..." if len(self.labels) > 20 else "")
            raise Refusal(
                f"record {number + 1:,}: the label '{label}' is not among those of the training data ({known}); "
                "mend the record, or train again with records of that label"
            )
        return self.labels.index(found)
