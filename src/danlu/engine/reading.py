"""Records as the model reads them, and what becomes of what it says of them."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from danlu.data.record import Record
from danlu.model.generate import NOT_FINITE
from danlu.refusal import Refusal
from danlu.task.task import Output, Prediction, Task
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer

UNREAD = "hold no word that the model knows, so their answers say nothing of them; ask a model of their language"


@dataclass(frozen=True)
class Reading:
    """Records in tokens.

    - `given`: as they came; `records`: as the task reads them, the very same objects where nothing was rewritten.
    - `encoded`: one window of each or several, in order; `start`: the number of the first record.
    """

    task: Task
    given: list[Record]
    records: list[Record]
    encoded: list[Encoded]
    start: int

    @property
    def tokens(self) -> int:
        """Of all windows together, without padding."""
        return sum(len(row) for item in self.encoded for row in item.rows)

    def windows(self, outputs: Sequence[Output]) -> Iterator[tuple[list[Output], list[Encoded]]]:
        """The outputs and the windows of each record; raises `Refusal` for outputs that are not numbers."""
        for row, item in enumerate(self.encoded):
            if not np.isfinite(outputs[row]).all():
                raise Refusal(f"record {self.start + item.record + 1:,}: {NOT_FINITE}")
        for rows in self._rows():
            yield [outputs[row] for row in rows], self._windows(rows)

    def predictions(self, found: Sequence[Any]) -> list[Prediction]:
        """The prediction of each record from the outputs of its windows, or from the texts that were written of it."""
        if self.task.answers_by == "generate":
            return [
                self.task.composed([text for row in rows for text in found[row]], self._windows(rows), record)
                for rows, record in zip(self._rows(), self.records, strict=True)
            ]
        return [
            self.task.decode(outputs, windows, record)
            for (outputs, windows), record in zip(self.windows(found), self.records, strict=True)
        ]

    def unread(self, tokenizer: Tokenizer) -> int:
        """How many records are unknown words alone, so that the model sees nothing of what they say."""
        unknown = tokenizer.unk_token_id
        if unknown is None or unknown in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id):
            return 0
        marks, found = [number for number in tokenizer.all_special_ids if number != unknown], 0
        for rows in self._rows():
            ids = np.concatenate([row.input_ids for item in self._windows(rows) for row in item.rows])
            if (ids == unknown).any():
                found += bool(((ids == unknown) | np.isin(ids, marks)).all())
        return found

    def _windows(self, rows: Sequence[int]) -> list[Encoded]:
        return [self.encoded[row] for row in rows]

    def _rows(self) -> list[list[int]]:
        """The windows of each record, by their places."""
        of_record: defaultdict[int, list[int]] = defaultdict(list)
        for row, item in enumerate(self.encoded):
            of_record[item.record].append(row)
        return [of_record[number] for number in range(len(self.records))]
