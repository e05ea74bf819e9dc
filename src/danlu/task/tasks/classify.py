"""One label for a text, or for two: softmax over a pooled row (Devlin et al., 2018)."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from danlu.data.labels import in_order, known_label, spellings
from danlu.data.record import Record
from danlu.model.heads import unwrapped
from danlu.model.positions import text_config
from danlu.model.shape import Shape
from danlu.refusal import Refusal
from danlu.task.calibrated import Calibrated, Floats, logarithms
from danlu.task.columns import label_in
from danlu.task.contrast import Pooling, pooled
from danlu.task.followed import Followed, Outcomes
from danlu.task.one_label import OneLabel, mean_share
from danlu.task.task import Inputs, Output
from danlu.task.texts import SECOND, batch_of, encoded_texts, in_pairs, with_second
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer

HEAVIEST = 1e6
"""What a label weighs at most: float32 holds the sum of a batch, and its gradients."""


class Classify(Followed, Calibrated, OneLabel):
    """Choose one of a fixed set of labels for a text, or for a text and another in `text_pair`.

    A text that is split takes the mean probabilities of its windows. Output of a row: log-probabilities (C,).
    """

    columns: ClassVar[dict[str, str]] = {"text": "text", "label": "a label (text)"}
    other_columns: ClassVar[tuple[str, ...]] = (SECOND,)
    metrics: ClassVar[tuple[str, ...]] = ("macro_f1", "accuracy")
    baseline: ClassVar[str | None] = "tfidf"
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "这本书写得很好，值得再读一遍。", "label": "positive"},
        {"text": "The screen broke after two days.", "label": "negative"},
        {"text": "物流太慢，包装也破了。", "label": "negative"},
    )

    pooling: Pooling | None = Field(
        default=None,
        description="the head is one layer on the vector that embed has of a text; None: the head of the family",
    )
    head: tuple[tuple[float, ...], ...] = Field(default=(), description="of such a head the weights and bias, learnt")
    pairs: bool | None = Field(default=None, description="whether 'text_pair' is read too; None: as the data have it")
    label_weights: Literal["balanced"] | dict[str, float] | None = Field(
        default=None, description="what a label weighs in the loss; balanced: rare ones more, so that all weigh alike"
    )
    weights: dict[str, float] = Field(default={}, description="what that comes to, by label; learnt from the data")
    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="share of the truth that is spread over all labels (Szegedy et al., 2016)"
    )

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task with the labels of the training records, of each the commonest spelling, and their weights.

        Raises `Refusal` for a record without a label, for one that is not among `labels` where these were given,
        where all records carry the same label, and for a weight of no label.
        """
        counts = Counter(label_in(record, number) for number, record in enumerate(records))
        learnt = spellings(counts).counted(counts)
        labels = self.labels or tuple(in_order(learnt))
        if self.labels:
            for number, record in enumerate(records):
                self.number_of(record, number)
        elif len(labels) < 2:
            seen = f"only the label '{labels[0]}'" if labels else "no record"
            raise Refusal(
                f"column 'label': there is {seen} in the training data; a classifier needs two labels or more"
            )
        pairs = in_pairs(records) if self.pairs is None else self.pairs
        weights = self._weights(labels, counts)
        return self.model_copy(update={"labels": labels, "pairs": pairs, "weights": weights})

    @property
    def auto_class(self) -> str:  # type: ignore[override]
        """Of the trunk alone where the task has a head of its own."""
        return "AutoModel" if self.pooling else "AutoModelForSequenceClassification"

    def config(self) -> dict[str, Any]:
        """See `OneLabel.config`."""
        return {} if self.pooling else super().config()

    def shaped(self, shape: Shape) -> Self:
        """See `Task.shaped`; raises `Refusal` for what has no vector of a text."""
        if self.pooling and shape == "encoder_decoder":
            raise Refusal("task.pooling: the model has an encoder and a decoder; leave it out, or choose an encoder")
        if self.pooling == "first" and shape == "decoder":
            raise Refusal("task.pooling: the first token of a decoder has seen no other; write 'mean' or 'last'")
        return self

    def suited(self, model: nn.Module, tokenizer: Tokenizer, say: Callable[[str], None]) -> Self:
        """This task with a head of its own, of zeros, where it has one and has not learnt it.

        Raises `Refusal` for a head of another shape.
        """
        if not self.pooling:
            return self
        width = int(text_config(unwrapped(model)).hidden_size)
        if self.head and [len(row) for row in self.head] != [width + 1] * len(self.labels):
            raise Refusal(
                f"task.head: must have a row of {width + 1:,} numbers for each of {len(self.labels)} labels; leave it "
                "out, for it is learnt"
            )
        if self.head:
            return self
        return self.model_copy(update={"head": ((0.0,) * (width + 1),) * len(self.labels)})

    def parameters(self) -> dict[str, Tensor]:
        """The head (C, E + 1), where the task has one of its own."""
        return {"head": torch.tensor(self.head)} if self.head else {}

    def learnt(self, values: Mapping[str, Tensor]) -> Self:
        """See `Task.learnt`."""
        if "head" not in values:
            return self
        return self.model_copy(update={"head": tuple(map(tuple, values["head"].float().tolist()))})

    def forward(self, model: nn.Module, inputs: Inputs, places: Tensor | None = None) -> dict[str, Tensor]:
        """The logits (B, C), or where the head is the task's own the vector (B, E) of each row."""
        if self.pooling is None:
            return super().forward(model, inputs, places)
        return {"vectors": pooled(model(**inputs).last_hidden_state, inputs.get("attention_mask"), self.pooling)}

    def decisions(self, outputs: Sequence[Output], record: Record, number: int) -> tuple[Floats, NDArray[np.int64]]:
        """See `Calibrated.decisions`; one of each record."""
        return logarithms(mean_share(outputs))[None], np.array([self.number_of(record, number)])

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a text, or one a window; the target `label` is the number of the label."""
        numbers = [self.number_of(record, number) for number, record in enumerate(records)] if labelled else None
        limit = min(limit, self.max_length or limit)
        encoded = encoded_texts(records, tokenizer, limit, self.too_long, pairs=bool(self.pairs))
        if numbers is not None:
            for item in encoded:
                item.targets["label"] = numbers[item.record]
        return encoded

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The target `label` (B,), -100 for rows without; its count is the sum of what the labels weigh."""
        label_B = torch.tensor([item.targets.get("label", -100) for item in encoded])
        counted = label_B[label_B >= 0]
        weights_C = self._weights_of_labels()
        count = len(counted) if weights_C is None else float(weights_C[counted].sum())
        return batch_of(encoded, width, tokenizer, {"label": label_B}, {"label": count})

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy, weighted and smoothed as the task says, summed over the rows."""
        logits_BC, weights_C = self.logits(said), self._weights_of_labels()
        loss = functional.cross_entropy(
            logits_BC,
            batch.targets["label"],
            weight=None if weights_C is None else weights_C.to(logits_BC.device),
            label_smoothing=self.label_smoothing,
            reduction="sum",
        )
        return {"label": loss}

    def outcomes(self, said: Mapping[str, Tensor], batch: Batch) -> Outcomes:
        """The logits of each row."""
        return Outcomes("one", self.logits(said))

    @property
    def reads(self) -> tuple[str, ...]:
        """See `Task.reads`."""
        return ("text", SECOND) if self.pairs else ("text",)

    def tried(self) -> Record:
        """See `Task.tried`."""
        return with_second(self.sample[0], pairs=self.pairs)

    def logits(self, said: Mapping[str, Tensor]) -> Tensor:
        """See `OneLabel.logits`; of a head of its own from the vectors."""
        if self.pooling is None:
            return super().logits(said)
        head_CE = said["own.head"] if "own.head" in said else torch.tensor(self.head, device=said["vectors"].device)
        return functional.linear(said["vectors"], head_CE[:, :-1].float(), head_CE[:, -1].float())

    def _weights(self, labels: Sequence[str], counts: Mapping[str, int]) -> dict[str, float]:
        """What each label weighs; under `balanced` as many times as much as it is rarer than the mean."""
        if self.label_weights is None:
            return {}
        if self.label_weights == "balanced":
            found = Counter(dict.fromkeys(labels, 0))
            for label, count in counts.items():
                found[known_label(label, labels) or label] += count
            mean = found.total() / max(1, sum(count > 0 for count in found.values()))
            return {label: mean / found[label] if found[label] else 0.0 for label in labels}
        named = {known_label(label, labels) or label: weight for label, weight in self.label_weights.items()}
        for label, weight in named.items():
            if label not in labels or not 0 <= weight <= HEAVIEST:
                raise Refusal(
                    f"task.label_weights: '{label}' weighs {weight:g}; expected numbers from 0 to {HEAVIEST:g} for the "
                    f"labels {', '.join(labels[:20])}"
                )
        return {label: named.get(label, 1.0) for label in labels}

    def _weights_of_labels(self) -> Tensor | None:
        """In the order of the labels, (C,); None where all weigh alike."""
        return torch.tensor([self.weights[label] for label in self.labels]) if self.weights else None
