"""What becomes of a record before it meets the model."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int32]


@dataclass(slots=True)
class Encoded:
    """Ids, labels and offsets of one record, or of one window of a record that is longer than the model allows.

    - `record`: position of the record among those that were encoded together.
    - `input_ids`: (T,), special tokens included.
    - `offsets`: (T, 2), the characters each token stands for, end exclusive; (0, 0) for special tokens.
    - `labels`: what the task says: a label's number, a (T,) array with -100 where nothing counts, or None.
    - `segments`: (T,), which of several packed documents a token belongs to, from 0; None if there is one.
    - `start`: number of the row's first token among the tokens of its record; windows of a record overlap where
      these say so.
    - `cut`: how many tokens of the record were cut off because it was too long.
    - `widened`: how many spans had borders inside a token, or covered none, and so are not labelled exactly.
    """

    record: int
    input_ids: Ids
    offsets: Ids | None = None
    labels: Any = None
    segments: Ids | None = None
    start: int = 0
    cut: int = 0
    widened: int = 0

    def __len__(self) -> int:
        return len(self.input_ids)
