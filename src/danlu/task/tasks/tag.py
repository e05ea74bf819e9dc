"""Entities in a text: spans of characters, each with its type (Ramshaw and Marcus, 1995)."""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from danlu.data.record import Record
from danlu.task.entities import Marked, Nested, in_tokens, read_marked, read_text
from danlu.task.tagger import Tagger
from danlu.task.task import Output, Prediction
from danlu.text.batching.align import joined, label_tokens
from danlu.text.batching.bio import class_names
from danlu.text.batching.encoded import Encoded


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

    def marked(self, record: Record, number: int) -> Marked:
        """The text and its entities; see `Tagger.marked`."""
        return read_marked(record, number, self.nested)

    def text(self, record: Record, number: int) -> str:
        """The text, joined from its tokens where it comes as tokens."""
        return read_text(record, number)

    def decode(self, outputs: Sequence[Output], encoded: Sequence[Encoded], record: Record) -> Prediction:
        """As `Tagger.decode`, and `tags` where `tokens` were given."""
        found = super().decode(outputs, encoded, record)
        if not in_tokens(record):
            return found
        spans = [(item["start"], item["end"], self.labels.index(item["label"])) for item in found["entities"]]
        names = class_names(self.labels)
        classes, _ = label_tokens(spans, joined(record["tokens"])[1])
        return {**found, "tags": [names[value] for value in classes]}
