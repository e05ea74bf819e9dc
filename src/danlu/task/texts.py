"""Records of one text, or of two that are read together, as rows of tokens."""

from collections.abc import Mapping, Sequence

import numpy as np
from torch import Tensor

from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.columns import missing, text_in
from danlu.task.inputs import model_inputs
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.batching.windows import TooLong, windows, windows_of_pairs
from danlu.text.tokenizing.tokenizer import Tokenizer

SECOND = "text_pair"
"""The column of the second of two texts."""


def in_pairs(records: Sequence[Record]) -> bool:
    """Whether records have a second text.

    Raises `Refusal` naming the first record without, where some have one.
    """
    having = [SECOND in record for record in records]
    if any(having) and not all(having):
        raise Refusal(missing(records[having.index(False)], having.index(False), SECOND, "text, as others have"))
    return bool(records) and having[0]


def with_second(record: Record, *, pairs: bool | None) -> Record:
    """The record, with a second text where two are read."""
    return {SECOND: record["text"], **record} if pairs else record


def encoded_texts(
    records: Sequence[Record], tokenizer: Tokenizer, limit: int, too_long: TooLong, *, pairs: bool
) -> list[Encoded]:
    """One row a record, or one a window; of two texts the second slides under the first.

    Raises `Refusal` naming the record for a text that is missing or too long.
    """
    texts = [text_in(record, number) for number, record in enumerate(records)]
    if not pairs:
        return windows(texts, tokenizer, limit, too_long)
    seconds = [text_in(record, number, SECOND) for number, record in enumerate(records)]
    return windows_of_pairs(texts, seconds, tokenizer, limit, too_long, overlap=limit // 8)


def batch_of(
    encoded: Sequence[Encoded],
    width: int,
    tokenizer: Tokenizer,
    targets: Mapping[str, Tensor],
    counts: Mapping[str, float],
) -> Batch:
    """A batch of examples of one row each, padded to `width` tokens."""
    return Batch(
        inputs=model_inputs([item.row for item in encoded], width, tokenizer),
        targets=dict(targets),
        counts=dict(counts),
        examples=np.arange(len(encoded)),
        tokens=sum(map(len, encoded)),
    )
