"""Entities in a text: spans of characters, each with its type (Ramshaw and Marcus, 1995)."""

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from danlu.data.record import Record
from danlu.model.shape import Shape
from danlu.task.beside_counts import USUAL, Said, best_weight, count, f1, found, said
from danlu.task.entities import WORD, Marked, Nested, in_tokens, read_marked, read_text
from danlu.task.tagger import Tagger
from danlu.task.task import Answered, Output, Prediction
from danlu.text.batching.align import Offsets, joined, label_tokens
from danlu.text.batching.bio import class_names
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.word_tokens import cut_words, speaking, words_given, words_of
from danlu.text.tagging.kept import unpacked

CUT = 0.01
"""Of the borders of spans, that may stand inside a word where words are read as wholes."""


class Tag(Tagger):
    """Find spans of characters and say what each of them is; spans do not overlap.

    A text that is split gives windows that share a quarter of their tokens; each token is read where it has the
    most text around it. Output of a row: log-probabilities (T, C).
    """

    columns: ClassVar[dict[str, str]] = {
        "text": "text",
        "entities": "list of {start, end, label}; or 'tokens' and 'tags' (BIO) instead of both; or 'words'",
    }
    other_columns: ClassVar[tuple[str, ...]] = ("tokens", "tags", "words")
    metrics: ClassVar[tuple[str, ...]] = ("entity_f1", "entity_precision", "entity_recall")
    baseline: ClassVar[str | None] = "hmm"
    label_means: ClassVar[str] = "entity type"
    sample: ClassVar[tuple[Record, ...]] = (
        {
            "text": "李白生于碎叶城。",
            "entities": [{"start": 0, "end": 2, "label": "person"}, {"start": 4, "end": 7, "label": "place"}],
        },
        {"tokens": ["Ada", "Lovelace", "lived", "in", "London"], "tags": ["B-person", "I-person", "O", "O", "B-place"]},
        {"text": "今天没有新闻。", "entities": []},
    )

    nested: Nested = Field(default="stop", description="of entities over one another: stop, or keep the longest")
    units: Literal["auto", "tokens", "first", "last"] = Field(
        default="auto",
        description="which token of a word that is cut into several is learnt and read, for the whole of it: the "
        "first, or the last; tokens: each for itself; auto: the first, of decoders the last, where the spans of the "
        "training data keep to words: those of the column 'tokens', or letters that stand together",
    )
    counted: bool = Field(
        default=False, description="counts what stands where in the training records, and lets that have a say as well"
    )
    counts: str = Field(default="", repr=False, description="what was counted, packed; learnt from the data")
    weight: float | None = Field(
        default=None, ge=0, le=10, description="of the counts' say; None: what is best on the validation records"
    )

    @model_validator(mode="after")
    def _counts_are_used(self) -> Self:
        if self.counted and self.decoding != "constrained":
            raise ValueError(f"'counted' finds the best path itself, and 'decoding' is {self.decoding}; leave one out")
        if not self.counted and (self.counts or self.weight is not None):
            raise ValueError(
                "'counts' and 'weight' have no effect without 'counted: true'; write that, or leave them out"
            )
        if self.counts and not set(self.labels).issuperset(unpacked(self.counts).labels):
            raise ValueError("the counts are of other labels than 'labels'; leave them out to count anew")
        return self

    def fitted(self, records: Sequence[Record]) -> Self:
        """See `Tagger.fitted`; with what speaks for a word, and where it is `counted`, with what was counted."""
        marked = [self.marked(record, number) for number, record in enumerate(records)]
        task, found = self.labelled(marked), dict[str, str]()
        if self.units == "auto":
            free = [item for item, record in zip(marked, records, strict=True) if not in_tokens(record)]
            found["units"] = "first" if task.labels != (WORD,) and _keep_to_words(free) else "tokens"
        if self.counted and not self.counts:
            found["counts"] = count(marked)
        return task.model_copy(update=found)

    def shaped(self, shape: Shape) -> Self:
        """See `Task.shaped`; the first token of a word has not seen the rest of it in a decoder."""
        return self.model_copy(update={"units": "last"}) if shape == "decoder" and self.units == "first" else self

    def speaking(self, offsets_T2: Offsets, record: Record, *, window: bool = False) -> Offsets:
        """See `Tagger.speaking`; where words are read as wholes, one token speaks for each."""
        if self.units not in ("first", "last"):
            return offsets_T2
        words_N = words_given(record["tokens"]) if in_tokens(record) else words_of(self.text(record, 0))
        return speaking(offsets_T2, words_N, self.units, window=window)

    def settled(self, records: Sequence[Record], outputs: Iterable[Answered]) -> Self:
        """This task with the weight of its counts, 0 among others, with which it finds most entities of `records`."""
        if not self.counted or self.weight is not None or not self.counts:
            return self
        texts, truths, alone = [], [], []
        for number, (record, answered) in enumerate(zip(records, outputs, strict=True)):
            texts.append(self._said(*answered, record))
            spans = self.gold(record, number)
            truths.append(frozenset((start, end, self.labels.index(label)) for start, end, label in spans))
            entities = super().decode(*answered, record)["entities"]
            alone.append(frozenset((e["start"], e["end"], self.labels.index(e["label"])) for e in entities))
        weight = best_weight(texts, truths, f1(truths, alone), self.counts, self.labels)
        return self.model_copy(update={"weight": weight})

    def marked(self, record: Record, number: int) -> Marked:
        """The text and its entities; see `Tagger.marked`."""
        return read_marked(record, number, self.nested)

    def text(self, record: Record, number: int) -> str:
        """The text, joined from its tokens where it comes as tokens."""
        return read_text(record, number)

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """As `Tagger.decode`, and `tags` where `tokens` were given; the counts have their say where there are some."""
        told = self._together(outputs, encoded, record) if self.counts else super().decode(outputs, encoded, record)
        if not in_tokens(record):
            return told
        spans = [(item["start"], item["end"], self.labels.index(item["label"])) for item in told["entities"]]
        names = class_names(self.labels)
        classes, _ = label_tokens(spans, joined(record["tokens"])[1])
        return {**told, "tags": [names[value] for value in classes]}

    def _together(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        weight = USUAL if self.weight is None else self.weight
        if weight == 0:
            return super().decode(outputs, encoded, record)
        text = self.text(record, 0)
        (spans,) = found([self._said(outputs, encoded, record)], self.counts, weight, self.labels)
        entities = [
            {"start": start, "end": end, "label": self.labels[kind], "text": text[start:end], "score": score}
            for (start, end, kind), score in spans
        ]
        return {"entities": entities}

    def _said(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Said:
        return said(*self.read(outputs, encoded, record), self.text(record, 0), self.counts, self.labels)


def _keep_to_words(marked: Sequence[Marked]) -> bool:
    """Whether next to no span begins or ends inside a word."""
    borders = cut = 0
    for item in marked:
        edges = [*chain.from_iterable(span[:2] for span in item.spans)]
        borders, cut = borders + len(edges), cut + cut_words(edges, words_of(item.text))
    return cut <= CUT * borders
