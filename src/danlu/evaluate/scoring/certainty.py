"""How probable answers were held to be, beside whether they are right: all that calibration looks at.

Shapes: N records, D decisions. Where one answer of several is right, each record is one decision: the answer that was
given, and its probability. Where each label is decided by itself, each label of each record is one: whether it is
there, and the probability of that.
"""

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.answer.answer import Answer

Floats = NDArray[np.float64]

MOST = 2**23
"""Decisions that are kept, 72 MB: 80,000 records with 100 labels each decided by itself."""

_LEAST = 1e-12  # probability of a truth of which the logarithm is taken, so that one record costs 28 nats at most


class Certainty:
    """The decisions of the records that it has taken, and of each record as a whole.

    - `whole`: whether every record told all its probabilities, and there are no more than `MOST` decisions.
    """

    def __init__(self, form: Answer, labels: Sequence[str]) -> None:
        """Of answers of a form that `decides`."""
        assert form.decides is not None
        self.form = form
        self.numbers = {label: place for place, label in enumerate(labels)}
        self.whole = True
        self._sure, self._right, self._record = array("d"), array("b"), array("l")
        self._of_records = array("d")

    def take(self, truth: Any, value: Any, shares: Sequence[float] | None) -> None:
        """Add a record: its truth, its answer, and how probable each label or choice was held to be."""
        self.whole &= bool(shares) and len(self._sure) < MOST
        if not self.whole or not shares:
            return
        true, given = (self.form.places(each, self.numbers) for each in (truth, value))
        self.whole = bool(given) or self.form.decides == "each"
        if not self.whole:
            return
        shares_C, true_C = np.array(shares, np.float64), np.zeros(len(shares))
        true_C[[place for place in true if place < len(shares)]] = 1.0
        number = len(self)
        missed_C = np.square(shares_C - true_C)
        if self.form.decides == "one":
            sure, right = float(shares_C[given[0]]), truth == value
            self._sure.append(sure)
            self._right.append(right)
            self._record.append(number)
            brier, regret = missed_C.sum(), -np.log(max(_LEAST, float((shares_C * true_C).sum())))
        else:
            given_C = np.zeros(len(shares))
            given_C[given] = 1.0
            self._sure.extend(shares_C.tolist())
            self._right.extend(true_C.astype(np.int8).tolist())
            self._record.extend([number] * len(shares))
            held_C = np.where(true_C > 0, shares_C, 1 - shares_C)
            brier, regret = missed_C.mean(), -np.log(np.maximum(held_C, _LEAST)).mean()
            sure, right = float(np.where(given_C > 0, shares_C, 1 - shares_C).min()), truth == value
        self._of_records.extend((float(brier), float(regret), sure, float(right)))

    def __len__(self) -> int:
        """The records that were taken."""
        return len(self._of_records) // 4

    @property
    def sure(self) -> Floats:
        """The probability of each decision, (D,)."""
        return np.array(self._sure)

    @property
    def right(self) -> Floats:
        """1 for each decision that came true, else 0, (D,)."""
        return np.array(self._right, np.float64)

    @property
    def record(self) -> NDArray[np.int64]:
        """The record of each decision, (D,)."""
        return np.array(self._record, np.int64)

    @property
    def brier(self) -> Floats:
        """Squared distance of probabilities and truth of each record (Brier 1950), (N,).

        Of one answer the sum over all, 0 to 2; of labels that are decided each by itself the mean, 0 to 1.
        """
        return self._column(0)

    @property
    def regret(self) -> Floats:
        """Negative log-likelihood of the truth (nats), (N,), of labels that are decided each by itself the mean."""
        return self._column(1)

    @property
    def sure_whole(self) -> Floats:
        """How sure each answer as a whole was, (N,): its probability, or that of the least sure of its labels."""
        return self._column(2)

    @property
    def right_whole(self) -> Floats:
        """1 for each record that was answered rightly as a whole, else 0, (N,)."""
        return self._column(3)

    def _column(self, place: int) -> Floats:
        return np.array(self._of_records).reshape(-1, 4)[:, place]
