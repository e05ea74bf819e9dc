"""Whether a part of a document follows another, or is of another document (BERT, Devlin et al., 2019)."""

from collections.abc import Sequence
from typing import ClassVar, Self

import numpy as np
from pydantic import Field

from danlu.data.labels import LabelNames
from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.task.parted import Document, Pair, parted, passages
from danlu.task.sentence_pairs import SentencePairs

OTHERS, LONGEST = 16, 1000
"""Passages of the training text that are kept, and characters of each, for documents that are asked alone."""
_TRIES = 8  # documents that may be the same one


class NextSentence(SentencePairs):
    """Choose `next` where the second part follows the first in its document, `other` where it is of another one.

    What follows a part that was given another's is the beginning of the next pair, so nothing is left unread. Where a
    document is measured, the part of another one is of a few passages that were kept of the training text.
    """

    baseline: ClassVar[str | None] = "overlap"
    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "今天天气很好。我们去公园散步。花都开了，孩子们很高兴。"},
        {"text": "The train leaves at nine. It stops at every village. We shall be late."},
        {"text": "豆腐切成小块。先放盐，再放辣椒。小火煮五分钟。"},
    )

    labels: LabelNames = Field(
        default=("next", "other"),
        description="what it is called that a part follows, and that it is of another document",
    )
    others: tuple[str, ...] = Field(
        default=(), description="passages for wrong pairs of a document that is asked alone; kept of the training text"
    )

    @property
    def kept_others(self) -> Sequence[str]:
        """The passages."""
        return self.others

    def fitted(self, records: Sequence[Record]) -> Self:
        """This task with passages of the training text. Raises `Refusal` where there is one document alone."""
        if self.others:
            return self
        others = passages((text_in(record, number) for number, record in enumerate(records)), OTHERS, LONGEST)
        if len(set(others)) < 2:
            raise Refusal(
                f"next_sentence takes the second parts of other documents, and the training data has "
                f"{len(set(others))} with text; give a document a record, or choose the task 'sentence_order'"
            )
        return self.model_copy(update={"others": others})

    def drawn(
        self, document: Document, start: int, room: int, others: Sequence[Document], rng: np.random.Generator
    ) -> tuple[Pair, int]:
        """See `SentencePairs.drawn`."""
        begin, at, stop, wrong = parted(document, start, room, rng)
        if not wrong:
            return Pair(document.part(begin, at), document.part(at, stop), wrong), stop
        if begin < start:  # a last piece that is left alone comes first here, for the one before it has been read
            begin, at = at, stop
        other = _of_another(document, others, room - sum(document.sizes[begin:at]), rng)
        return Pair(document.part(begin, at), other, wrong), at


def _of_another(document: Document, others: Sequence[Document], room: int, rng: np.random.Generator) -> str:
    """A part of another document that begins anywhere in it."""
    for _ in range(_TRIES):
        other = others[int(rng.integers(len(others)))] if others else document
        if other.text not in document.text:
            start = int(rng.integers(len(other.sizes)))
            return other.part(start, other.filled(start, room))
    raise Refusal(
        "next_sentence finds no document with another text for a wrong pair; give more documents, or leave out those "
        "that are alike ('dedup' of prepare)"
    )
