"""Rare labels are sampled over until they are as common as others (Chawla et al., 2002, with text for vectors)."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from danlu.data.augmenting.augmenter import SOURCE_ROW, Augmenter
from danlu.data.record import Record
from danlu.refusal import Refusal


class Balance(Augmenter):
    """Give rows of rarer labels, made by any augmenter, until each label has a share of the commonest one's rows."""

    by: Augmenter = Field(description="how the new rows are made, whatever its own 'copies'")
    label: str = Field(default="label", description="column of the label")
    level: float = Field(
        default=1.0, gt=0, le=1, description="rows that each label gets, as a share of the commonest's"
    )

    def augment(self, records: Sequence[Record], rng: np.random.Generator) -> list[Record]:
        """The new rows, those of one label after the other; see `Augmenter.augment`.

        The rows of a label take turns. Where the augmenter cannot make enough different rows, rows are repeated as
        they are. Raises `Refusal` naming a record without a single label.
        """
        labels = [self._label(record, row) for row, record in enumerate(records)]
        counts = Counter(labels)
        wanted = round(self.level * max(counts.values(), default=0))
        made: list[Record] = []
        for label in sorted(counts):
            rows = np.array([row for row, given in enumerate(labels) if given == label])
            made += self._of_one_label(records, rows, wanted - len(rows), rng)
        return made

    def _of_one_label(
        self, records: Sequence[Record], rows: NDArray[np.int64], lacking: int, rng: np.random.Generator
    ) -> list[Record]:
        if lacking <= 0:
            return []
        turns = [row for _ in range(-(-lacking // len(rows))) for row in rng.permutation(rows).tolist()][:lacking]
        once = self.by.model_copy(update={"copies": 1} if "copies" in type(self.by).model_fields else {})
        made = once.augment([records[row] for row in turns], rng)[:lacking]
        named = [new | {SOURCE_ROW: turns[new[SOURCE_ROW]]} for new in made]
        repeated = np.resize(rng.permutation(rows), lacking - len(made)).tolist()
        return named + [records[row] | {SOURCE_ROW: row} for row in repeated]

    def _label(self, record: Record, row: int) -> str:
        label = record.get(self.label)
        if isinstance(label, str | int):
            return str(label)
        raise Refusal(
            f"record {row + 1:,}: there is no single label in the column '{self.label}' to balance by; "
            "name another in 'label', or leave out the augmenter 'balance'"
        )
