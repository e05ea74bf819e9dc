"""Any number of labels for a text, each decided by itself: a sigmoid a label (Zhang and Zhou, 2006)."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor
from torch.nn import functional

from danlu.data.labels import LabelNames, in_order, is_empty, known_label, label_of, spellings
from danlu.data.reading.several import LITERAL, cut
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.calibrated import Calibrated, Floats, logarithms, tempered
from danlu.task.columns import missing
from danlu.task.followed import Followed, Outcomes
from danlu.task.task import Output, Prediction, Truth
from danlu.task.texts import SECOND, batch_of, encoded_texts, in_pairs, with_second
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer


class Multilabel(Followed, Calibrated):
    """Choose none, one or several of a fixed set of labels for a text, or for a text and another in `text_pair`.

    A text that is split takes of each label the highest probability of its windows. Output of a row: the logarithms of
    the probabilities (L,) that a label is there.
    """

    auto_class: ClassVar[str] = "AutoModelForSequenceClassification"
    columns: ClassVar[dict[str, str]] = {"text": "text", "labels": "list of labels, empty where there is none"}
    other_columns: ClassVar[tuple[str, ...]] = (SECOND,)
    answer_form: ClassVar[str] = "labels"
    metrics: ClassVar[tuple[str, ...]] = ("micro_f1", "macro_f1", "subset_accuracy", "hamming")
    baseline: ClassVar[str | None] = "tfidf_labels"
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "价格便宜，油耗也低。", "labels": ["price", "fuel"]},
        {"text": "It is quiet, and the seats are soft.", "labels": ["comfort"]},
        {"text": "昨天刚提车。", "labels": []},
    )

    labels: LabelNames = Field(default=(), description="the labels; empty: those of the training data")
    pairs: bool | None = Field(default=None, description="whether 'text_pair' is read too; None: as the data have it")
    threshold: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="probability from which on a label is given; held against it as it is before it is calibrated",
    )

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task with the labels of the training records, of each the commonest spelling.

        Raises `Refusal` for a record whose `labels` are no list of labels, for one that is not among `labels` where
        these were given, and where no record has a label.
        """
        pairs = in_pairs(records) if self.pairs is None else self.pairs
        counts = Counter(label for number, record in enumerate(records) for label in _labels_in(record, number))
        if self.labels:
            for number, record in enumerate(records):
                self._numbers(record, number)
            return self.model_copy(update={"pairs": pairs})
        if not counts:
            raise Refusal("column 'labels': there is no label in the training data; check the column's name")
        _refuse_flags(records)
        found = tuple(in_order(spellings(counts).counted(counts)))
        return self.model_copy(update={"labels": found, "pairs": pairs})

    def config(self) -> dict[str, Any]:
        """Names and number of the labels, and the kind of problem, as transformers' pipelines read them."""
        return {
            "id2label": dict(enumerate(self.labels)),
            "label2id": {label: number for number, label in enumerate(self.labels)},
            "problem_type": "multi_label_classification",
        }

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a text, or one a window; the target `labels` (L,) is 1 for a label that is there."""
        numbers = [self._numbers(record, number) for number, record in enumerate(records)] if labelled else None
        limit = min(limit, self.max_length or limit)
        encoded = encoded_texts(records, tokenizer, limit, self.too_long, pairs=bool(self.pairs))
        for item in encoded if numbers is not None else ():
            there_L = np.zeros(len(self.labels), np.int32)
            there_L[numbers[item.record]] = 1  # type: ignore[index]
            item.targets["labels"] = there_L
        return encoded

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The target `labels` (B, L); every label of every row counts, -100 for rows without."""
        without = np.full(len(self.labels), -100, np.int32)
        labels_BL = torch.from_numpy(np.stack([item.targets.get("labels", without) for item in encoded])).long()
        count = {"labels": int((labels_BL >= 0).sum())}
        return batch_of(encoded, width, tokenizer, {"labels": labels_BL}, count)

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Binary cross-entropy, summed over rows and labels."""
        labels_BL = batch.targets["labels"]
        keep_BL = labels_BL >= 0
        loss = functional.binary_cross_entropy_with_logits(
            said["logits"].float()[keep_BL], labels_BL[keep_BL].float(), reduction="sum"
        )
        return {"labels": loss}

    def outcomes(self, said: Mapping[str, Tensor], batch: Batch) -> Outcomes:
        """The logits of each row, a label each."""
        return Outcomes("each", said["logits"])

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """Logarithms of the probabilities (L,) of each row."""
        return list(functional.logsigmoid(said["logits"].float()).cpu().numpy())

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """`{"labels": [...], "scores": {label: probability}}`."""
        logs_L = _highest(outputs)
        given_L = np.exp(logs_L) >= self.threshold
        told_L = np.exp(logs_L) if self.temperature is None else tempered(_sides(logs_L), self.temperature)[:, 0]
        scores = {label: float(value) for label, value in zip(self.labels, told_L, strict=True)}
        return {"labels": [self.labels[place] for place in np.flatnonzero(given_L)], "scores": scores}

    def decisions(self, outputs: Sequence[Output], record: Record, number: int) -> tuple[Floats, NDArray[np.int64]]:
        """See `Calibrated.decisions`; one a label: it is there, or it is not."""
        missed_L = np.ones(len(self.labels), np.int64)
        missed_L[self._numbers(record, number)] = 0
        return _sides(_highest(outputs)), missed_L

    def energy(self, outputs: Sequence[Output]) -> float:
        """The sum over labels of ln(1 + exp(logit)) (Wang et al., 2021)."""
        return float(-_sides(_highest(outputs))[:, 1].sum())

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """The names of the labels."""
        there = (batch.targets["labels"][row] == 1).nonzero()[:, 0].tolist()
        return ", ".join(self.labels[number] for number in there), []

    @property
    def reads(self) -> tuple[str, ...]:
        """See `Task.reads`."""
        return ("text", SECOND) if self.pairs else ("text",)

    def tried(self) -> Record:
        """See `Task.tried`."""
        return with_second(self.sample[0], pairs=self.pairs)

    def gold(self, record: Record, number: int = 0) -> frozenset[str]:
        """The labels."""
        return frozenset(known_label(label, self.labels) or label for label in _labels_in(record, number))

    def label_names(self) -> tuple[str, ...]:
        """The labels in the order of the model's outputs."""
        return self.labels

    def _numbers(self, record: Record, number: int) -> list[int]:
        found = []
        for label in _labels_in(record, number):
            known = known_label(label, self.labels)
            if known is None:
                names = ", ".join(self.labels[:20]) + (" ..." if len(self.labels) > 20 else "")
                raise Refusal(
                    f"record {number + 1:,}: the label '{label}' is not among those of the training data ({names}); "
                    "mend the record, or train again with records of that label"
                )
            found.append(self.labels.index(known))
        return found


def _highest(outputs: Sequence[Output]) -> Floats:
    """Log-probabilities (L,) of a record, of each label the highest of its windows."""
    logs_L: Floats = np.stack(outputs).astype(np.float64).max(0)
    return logs_L


def _sides(logs_L: Floats) -> Floats:
    """Log-probabilities that a label is there, and that it is not, (L, 2)."""
    return np.stack([logs_L, logarithms(-np.expm1(logs_L))], 1)


def _refuse_flags(records: Sequence[Record]) -> None:
    """Raise `Refusal` where all lists are as long and hold 0 and 1 alone: a place for each label, not its name."""
    lists = [record["labels"] for record in records if isinstance(record["labels"], list)]
    alike = len(lists) == len(records) and len({len(each) for each in lists}) == 1
    if (
        alike
        and any(len(set(each)) < len(each) for each in lists)
        and all(flag in (0, 1) for row in lists for flag in row)
    ):
        raise Refusal(
            f"column 'labels': holds {len(lists[0])} flags a record, such as {lists[0]!r:.60}, and no names of labels; "
            "give a list of the names, or a column of flags for each label ('flags' of a table)"
        )


def _is_written_list(text: str) -> bool:
    """Whether a text is a list as JSON, Python or NumPy write it."""
    try:
        cut(text, LITERAL)
    except ValueError:
        return False
    return bool(text)


def _labels_in(record: Record, number: int) -> list[str]:
    """The labels of a record, empty ones left out; a single one need not stand in a list."""
    if "labels" not in record:
        raise Refusal(missing(record, number, "labels", "a list of labels, empty where there is none"))
    given = record["labels"]
    if isinstance(given, str) and _is_written_list(given.strip()):
        raise Refusal(
            f"record {number + 1:,}: column 'labels' holds a list that is written as text, {given.strip()!r:.40}; "
            "write 'lists: {labels: list}' in the data, and it is read as a list"
        )
    values = [value for value in (given if isinstance(given, list) else [given]) if not is_empty(value)]
    labels = [label_of(value) for value in values]
    if None in labels:
        wrong = values[labels.index(None)]
        raise Refusal(
            f"record {number + 1:,}: column 'labels' must be a list of labels (text), and {wrong!r:.40} is none"
        )
    return [label for label in labels if label is not None]
