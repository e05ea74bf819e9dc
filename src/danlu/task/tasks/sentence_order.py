"""Whether two parts of a document stand in their order (ALBERT, Lan et al., 2020)."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from danlu.data.labels import LabelNames
from danlu.data.record import Record
from danlu.task.parted import Document, Pair, parted
from danlu.task.sentence_pairs import SentencePairs


class SentenceOrder(SentencePairs):
    """Choose `kept` where two parts of a document that follow each other stand in their order, else `swapped`."""

    sample: ClassVar[tuple[Record, ...]] = (
        {"text": "先把水烧开。再放进面条。三分钟后就可以吃了。"},
        {"text": "She opened the door. The room was dark. She lit a candle."},
        {"text": "他早上出门。中午到了车站。晚上才回家。"},
    )

    labels: LabelNames = Field(
        default=("kept", "swapped"),
        description="what it is called that parts are in their order, and that they are not",
    )

    def drawn(
        self, document: Document, start: int, room: int, others: Sequence[Document], rng: np.random.Generator
    ) -> tuple[Pair, int]:
        """See `SentencePairs.drawn`; no other document is needed."""
        begin, at, stop, wrong = parted(document, start, room, rng)
        first, second = document.part(begin, at), document.part(at, stop)
        return (Pair(second, first, wrong) if wrong else Pair(first, second, wrong)), stop
