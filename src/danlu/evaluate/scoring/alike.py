"""Whether a model says next to the same whatever it is asked, which a score does not tell by itself."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from danlu.evaluate.scoring.side import Side
from danlu.machine.terminal import on_one_line

FEWEST = 10  # records; fewer may well have one answer
SHARE = 0.01  # different answers, of the different truths
HARDLY = 0.02  # deviation of numbers, of that of the truths
LONGEST = 60  # characters of an answer that are shown


@dataclass(frozen=True)
class Alike:
    """How many different answers there are, and truths; `example` is the commonest answer, empty where it is nothing.

    Numbers that hardly differ count as one, the mean of them.
    """

    answers: int
    truths: int
    example: str

    def to_plain(self) -> dict[str, Any]:
        """As it stands in `scores.json`."""
        return asdict(self)


def alike(side: Side) -> Alike | None:
    """The answers of a side where they are next to the same while the truths are not; None where they differ."""
    form, truths = side.form, len(set(side.gold))
    if len(side.gold) < FEWEST or truths < 2:
        return None
    if form.of_numbers:
        return _numbers_alike(side, truths)
    found = Counter(side.values)
    if len(found) > max(1, SHARE * truths):
        return None
    commonest = form.told(found.most_common(1)[0][0])
    return Alike(len(found), truths, "" if commonest in (None, "", [], {}) else _short(commonest))


def _numbers_alike(side: Side, truths: int) -> Alike | None:
    amounts = [[side.form.amount(value) for value in values] for values in (side.values, side.gold)]
    if any(amount is None for each in amounts for amount in each):
        return None
    answered, true = (np.asarray(each, dtype=np.float64) for each in amounts)
    if not answered.std() < HARDLY * true.std():
        return None
    return Alike(1, truths, f"{answered.mean():.4g}")


def _short(value: Any) -> str:
    said = on_one_line(", ".join(map(str, value)) if isinstance(value, list) else str(value))
    return said if len(said) <= LONGEST else said[: LONGEST - 1] + "…"
