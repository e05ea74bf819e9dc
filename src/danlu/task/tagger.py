"""What taggers share: a BIO class for every token (Ramshaw and Marcus, 1995), labels living on characters.

With a crf, what one class says of the next is learnt as well (Lafferty, McCallum and Pereira, 2001).
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, model_validator
from torch import Tensor, nn

from danlu.data.labels import LabelNames
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.entities import Marked
from danlu.task.followed import Followed, Outcomes
from danlu.task.inputs import lengths_of, model_inputs
from danlu.task.task import Inputs, Output, Prediction, Truth
from danlu.text.batching.align import Offsets, Span, label_tokens, spans_of, without_space
from danlu.text.batching.batch import Batch, pad
from danlu.text.batching.bio import are_tags, best_path, class_names, refuse_unsayable, rows_of_classes
from danlu.text.batching.chain import in_classes, log_losses, marginals, steps_of, with_rules
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.windows import TooLong, windows
from danlu.text.tokenizing.tokenizer import Tokenizer

Entity = tuple[int, int, str]
PACE = 100.0

UNKNOWN = -101
"""The class of a token with characters whose truth nobody knows; it never counts."""


class Tagger(Followed):
    """Marks spans of characters, which do not overlap, with labels.

    A text that is split gives windows that share a quarter of their tokens; each token is read where it has the
    most text around it. Output of a row: log-probabilities (T, C).
    """

    auto_class: ClassVar[str] = "AutoModelForTokenClassification"
    answer_form: ClassVar[str] = "spans"
    label_means: ClassVar[str]
    """What a label is, in words."""

    labels: LabelNames = Field(default=(), description="labels of spans; empty: those of the training data")
    decoding: Literal["constrained", "crf", "argmax"] = Field(
        default="constrained",
        description="the likeliest classes in which nothing goes on that has not begun; crf: it also learns which "
        "class comes after which; argmax: of each token alone",
    )
    cut: Literal["tokenizer", "characters"] = Field(
        default="tokenizer",
        description="characters: no token holds two characters of a script without spaces, or two signs, so that a "
        "span may begin and end at any, and rows are longer; tokenizer: as that cuts",
    )
    transitions: tuple[tuple[float, ...], ...] = Field(
        default=(), description="what one class says of the next, and the last row of the first; a crf learns them"
    )
    head_tags: tuple[str, ...] = Field(
        default=(),
        description="the tags, in order, of a head with more letters (BIOES, BMES, BILOU); read off its folder",
    )
    too_long: TooLong = "split"

    @abstractmethod
    def marked(self, record: Record, number: int) -> Marked:
        """The text and the spans of a record; `number` counts records from 0.

        Raises `Refusal` naming the record and what is wrong with it.
        """

    @abstractmethod
    def text(self, record: Record, number: int) -> str:
        """The text of a record, marked or not."""

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task with the labels of the training records, sorted.

        Raises `Refusal` for a wrong mark, an unknown label where `labels` were given, and no mark at all.
        """
        return self.labelled([self.marked(record, number) for number, record in enumerate(records)])

    def labelled(self, marked: Sequence[Marked]) -> Self:
        """The same, of texts and spans that were read already."""
        refuse_unsayable(self.head_tags, self.labels)
        if self.labels:
            for number, item in enumerate(marked):
                self._spans(item, number)
            return self
        found = {label for item in marked for _, _, label in item.spans}
        if not found:
            column = list(self.columns)[-1]
            raise Refusal(f"column '{column}': nothing is marked in the training data; check the column's name")
        return self.model_copy(update={"labels": tuple(sorted(found))})

    @model_validator(mode="after")
    def _head_tags_are_of_the_labels(self) -> Self:
        if self.head_tags and not are_tags(self.head_tags, self.labels):
            raise ValueError("'head_tags' must be 'O' and tags of 'labels', each once; leave them out")
        return self

    @model_validator(mode="after")
    def _transitions_fit(self) -> Self:
        classes = len(class_names(self.labels))
        if self.transitions and self.decoding != "crf":
            raise ValueError(f"'transitions' belong to 'decoding: crf', and it is {self.decoding}; leave them out")
        if self.transitions and [len(row) for row in self.transitions] != [classes] * (classes + 1):
            raise ValueError(f"'transitions' must have {classes + 1} rows of {classes}; leave them out to learn them")
        return self

    def parameters(self) -> dict[str, Tensor]:
        """The transitions of a crf, (C + 1, C), in hundreds: a rate that suits a network moves them fast enough.

        Adam moves a number by about its rate a step, whatever the gradient: 5,000 steps of 2e-4 for one in units.
        """
        if self.decoding != "crf":
            return {}
        classes = len(class_names(self.labels))
        known = self.transitions or np.zeros((classes + 1, classes))
        return {"transitions": torch.tensor(known, dtype=torch.float32) / PACE}

    def learnt(self, values: Mapping[str, Tensor]) -> Self:
        """This task with the transitions that a crf has learnt."""
        if "transitions" not in values:
            return self
        found = (values["transitions"].detach().float() * PACE).tolist()
        return self.model_copy(update={"transitions": tuple(map(tuple, found))})

    def config(self) -> dict[str, Any]:
        """Names and number of the classes: `O`, then `B-` and `I-` of each type; or the tags of the head."""
        names = self.head_tags or class_names(self.labels)
        return {"id2label": dict(enumerate(names)), "label2id": {name: number for number, name in enumerate(names)}}

    def encode(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, *, labelled: bool) -> list[Encoded]:
        """One row a text, or one a window; the target `tags` (T,): classes, -100 where there are no characters."""
        marked = [self.marked(record, number) for number, record in enumerate(records)] if labelled else None
        texts = [item.text for item in marked] if marked else [self.text(r, n) for n, r in enumerate(records)]
        limit = min(limit, self.max_length or limit)
        characters, overlap = self.cut == "characters", limit // 4
        encoded = windows(texts, tokenizer, limit, self.too_long, overlap=overlap, offsets=True, characters=characters)
        spans = [self._spans(item, number) for number, item in enumerate(marked)] if marked else []
        several = {item.record for item in encoded if item.start or item.cut}
        for item in encoded:
            offsets = item.row.offsets
            assert offsets is not None
            item.row.offsets = offsets = without_space(offsets, texts[item.record])
            if marked:
                window = item.record in several
                said = self.speaking(offsets, records[item.record], window=window)
                item.targets["tags"], item.widened = label_tokens(spans[item.record], said, window=window)
        return encoded

    def collate(self, encoded: Sequence[Encoded], width: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Batch:
        """The target `tags` (B, T), -100 for padding and for tokens without characters."""
        without = np.zeros(0, np.int32)
        tags_BT = pad([item.targets.get("tags", without) for item in encoded], width, -100)
        begins = {"begins": torch.tensor([_begins(item) for item in encoded])} if self.decoding == "crf" else {}
        return Batch(
            inputs=model_inputs([item.row for item in encoded], width, tokenizer),
            targets={"tags": tags_BT, **begins},
            counts={"tags": int((tags_BT >= 0).sum())},
            examples=np.arange(len(encoded)),
            tokens=sum(len(item) for item in encoded),
        )

    def forward(self, model: nn.Module, inputs: Inputs, places: Tensor | None = None) -> dict[str, Tensor]:
        """The logits (B, T, C); of a head with more letters a class has the sum of its tags' probabilities."""
        said = super().forward(model, inputs, places)
        rows = rows_of_classes(self.head_tags, self.labels)
        return {**said, "logits": in_classes(said["logits"], rows)} if self.head_tags else said

    def losses(self, said: Mapping[str, Tensor], batch: Batch) -> dict[str, Tensor]:
        """Cross-entropy, summed over the labelled tokens; of a crf that of the whole rows."""
        tags_BT = batch.targets["tags"]
        if self.decoding == "crf":
            steps = with_rules(said["own.transitions"].float() * PACE)
            return {"tags": log_losses(said["logits"], tags_BT, steps, batch.targets["begins"]).sum()}
        keep_BT = tags_BT >= 0
        logits_KC = said["logits"][keep_BT].float()
        return {"tags": nn.functional.cross_entropy(logits_KC, tags_BT[keep_BT], reduction="sum")}

    def outcomes(self, said: Mapping[str, Tensor], batch: Batch) -> Outcomes:
        """The logits of each token with characters; of a crf what the network says, whatever stands beside it."""
        return Outcomes("one", said["logits"][_with_characters(batch)])

    def things(self, batch: Batch) -> int:
        """Tokens with characters."""
        return int(_with_characters(batch).sum())

    def unlabelled(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int) -> list[Encoded]:
        """See `Followed.unlabelled`."""
        encoded = self.encode(records, tokenizer, limit, labelled=False)
        for item in encoded:
            assert item.row.offsets is not None
            window = bool(item.start or item.cut)
            start_T, end_T = self.speaking(item.row.offsets, records[item.record], window=window).T
            item.targets["tags"] = np.where(start_T < end_T, np.int32(UNKNOWN), np.int32(-100))
        return encoded

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """Log-probabilities (T, C) of each row."""
        log_BTC = torch.log_softmax(said["logits"].float(), -1).cpu().numpy()
        return [log_TC[:length] for log_TC, length in zip(log_BTC, lengths_of(batch.inputs), strict=True)]

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """`{"entities": [{"start", "end", "label", "text", "score"}, ...]}`.

        The score is the geometric mean of the tokens' probabilities, of a crf those in all paths.
        """
        text = self.text(record, 0)
        log_TC, offsets_T2 = self.read(outputs, encoded, record)
        classes_T, log_TC = self.classes(log_TC)
        chosen_T = log_TC[np.arange(len(classes_T)), classes_T]
        entities = [
            {
                "start": start,
                "end": end,
                "label": self.labels[kind],
                "text": text[start:end],
                "score": float(np.exp(chosen_T[tokens].mean())),
            }
            for (start, end, kind), tokens in spans_of(classes_T, offsets_T2)
        ]
        return {"entities": entities}

    def speaking(self, offsets_T2: Offsets, record: Record, *, window: bool = False) -> Offsets:
        """The characters that each token speaks for, (T, 2): its own, of a task whose tokens all do."""
        return offsets_T2

    def read(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> tuple[Output, Offsets]:
        """Log-probabilities of the tokens that speak, (T, C), and the characters for which they do, (T, 2)."""
        log_TC, offsets_T2 = merged(outputs, encoded)
        said_T2 = self.speaking(offsets_T2, record)
        speaks_T = said_T2[:, 0] < said_T2[:, 1]
        return log_TC[speaks_T], said_T2[speaks_T]

    def beginnings(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> NDArray[np.float64]:
        """The probability that a span begins at each character of the text, or what lies between two, (N,)."""
        log_TC, offsets_T2 = self.read(outputs, encoded, record)
        shares_TC = np.exp(self.classes(log_TC)[1].astype(np.float64))
        outside_T, begins_T = shares_TC[:, 0], shares_TC[:, 1::2].sum(1)
        goes_on_T = outside_T.copy()
        goes_on_T[:1] = 0  # nothing goes on at the beginning
        goes_on_T[1:] *= outside_T[:-1]
        found = np.zeros(len(self.text(record, 0)))
        found[offsets_T2[:, 0]] = begins_T + outside_T - goes_on_T
        return found

    def classes(self, log_TC: Output) -> tuple[NDArray[np.int32], NDArray[np.floating]]:
        """The classes of the tokens, (T,), and the log-probability of each class at each, (T, C)."""
        if self.decoding == "argmax":
            return log_TC.argmax(1).astype(np.int32), log_TC
        if self.decoding == "constrained":
            return best_path(log_TC), log_TC
        steps = steps_of(self.transitions, log_TC.shape[1])
        return best_path(log_TC, steps), marginals(log_TC, steps)

    def told(self, batch: Batch, row: int, tokenizer: Tokenizer) -> tuple[str, list[Truth | None]]:
        """The label of the span at each of its tokens, neighbours apart."""
        found: list[Truth | None] = []
        run = 0
        for value in batch.targets["tags"][row].tolist():
            run += value % 2 if value > 0 else 0  # a class that begins
            found.append(None if value < 0 else Truth(self.labels[(value - 1) // 2], run) if value else Truth())
        return "", found

    def gold(self, record: Record, number: int = 0) -> frozenset[Entity]:
        """The spans as (start, end, label)."""
        return frozenset(self.marked(record, number).spans)

    def label_names(self) -> tuple[str, ...]:
        """The labels of spans."""
        return self.labels

    def _spans(self, marked: Marked, number: int) -> list[Span]:
        for _, _, label in marked.spans:
            if label not in self.labels:
                raise Refusal(
                    f"record {number + 1:,}: the {self.label_means} '{label}' is not among those of the training data "
                    f"({', '.join(self.labels)}); mend the record, or train again with records that have it"
                )
        return [(start, end, self.labels.index(label)) for start, end, label in marked.spans]


def _with_characters(batch: Batch) -> Tensor:
    tags_BT = batch.targets["tags"]
    return (tags_BT >= 0) | (tags_BT == UNKNOWN)


def _begins(item: Encoded) -> bool:
    """Whether a row begins where its text does; not what goes on at once, with characters that no token has."""
    tags_T = item.targets.get("tags", np.zeros(0, np.int32))
    first = next((value for value in tags_T.tolist() if value >= 0), 0)
    return item.start == 0 and (first == 0 or first % 2 == 1)


def merged(outputs: Sequence[Output], encoded: Sequence[Encoded]) -> tuple[Output, Offsets]:
    """Log-probabilities and offsets of the tokens that have characters, each from the window around it."""
    numbers, edges = [], []
    for item in encoded:
        place_T = np.arange(len(item))
        numbers.append(item.start + place_T)
        edges.append(np.minimum(place_T, len(item) - 1 - place_T))
    offsets = np.concatenate([item.row.offsets for item in encoded if item.row.offsets is not None])
    log = np.concatenate(outputs)
    kept = np.flatnonzero(offsets[:, 0] < offsets[:, 1])
    number, edge = np.concatenate(numbers)[kept], np.concatenate(edges)[kept]
    order = np.lexsort((-edge, number))
    first = np.unique(number[order], return_index=True)[1]
    chosen = kept[order[first]]
    return log[chosen], offsets[chosen]
