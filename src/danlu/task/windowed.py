"""Texts alone to learn from, of any length: where they are cut into windows."""

from collections.abc import Sequence
from typing import ClassVar, Self

from danlu.data.record import Record
from danlu.task.task import Task
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer


class Windowed(Task):
    """It learns from text alone; under `split` no row is longer than a batch has room for."""

    reads_tokens: ClassVar[bool] = True

    def cut_at(self, room: int) -> Self:
        """This task with texts that it splits cut into windows of `room` tokens at most; 0: as long as rows may be."""
        if str(self.too_long) != "split" or not room:
            return self
        return self.model_copy(update={"max_length": min(room, self.max_length or room)})

    def learnable(self, records: Sequence[Record], tokenizer: Tokenizer, limit: int, room: int) -> Sequence[Encoded]:
        """Texts, or windows of what a batch has room for under `split`, where a model takes longer rows."""
        return self.cut_at(room).encode(records, tokenizer, limit, labelled=True)
