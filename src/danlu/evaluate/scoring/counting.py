"""True positives, false positives and false negatives of each label, for every example on its own.

Shapes: N examples, L labels. Counts lie as (N, 3L): all true positives, then all false positives, then all
false negatives, each in the order of the labels. They are sparse: 100,000 answers with one of 1,000 labels
take 4 MB, and would take 2.4 GB.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from danlu.answer.answer import Mark
from danlu.evaluate.scoring.side import Side
from danlu.refusal import Refusal

Floats = NDArray[np.float64]
Measure = Callable[[Floats], Floats]
"""`precision`, `recall` or `f1`: sums (..., 3L) to a value a label (..., L)."""


def of_marks(side: Side) -> csr_array:
    """Counts (N, 3L) of what the truths and the answers hold; a span is right if start, end and label agree.

    Raises `Refusal` for a label that is not among those of the side.
    """
    form, number = side.form, {label: place for place, label in enumerate(side.labels)}
    rows, columns = list[int](), list[int]()
    for row, (true, guessed) in enumerate(zip(side.gold, side.values, strict=True)):
        truth, answer = form.marks(true), form.marks(guessed)
        missed, false = truth - answer, answer - truth
        for block, marks, what in ((0, truth - missed, "gold"), (2, missed, "gold"), (1, false, "predicted")):
            for place in _places(marks, number, row, what):
                rows.append(row)
                columns.append(block * len(number) + place)
    return _sparse(rows, columns, (len(side.gold), 3 * len(number)))


def of_truths(side: Side) -> csr_array:
    """Which labels stand in the truth of each example, (N, L).

    Raises `Refusal` for a label that is not among those of the side.
    """
    number = {label: place for place, label in enumerate(side.labels)}
    rows, columns = list[int](), list[int]()
    for row, true in enumerate(side.gold):
        for place in _places(side.form.marks(true), number, row, "gold"):
            rows.append(row)
            columns.append(place)
    return _sparse(rows, columns, (len(side.gold), len(number)))


def split(totals: Floats) -> tuple[Floats, Floats, Floats]:
    """Sums (..., 3L) as true positives, false positives and false negatives, each (..., L)."""
    true, false, missed = np.split(totals, 3, axis=-1)
    return true, false, missed


def ratio(part: Floats, whole: Floats) -> Floats:
    """`part / whole`, and 0 where `whole` is 0."""
    return np.divide(part, whole, out=np.zeros(np.shape(whole)), where=np.asarray(whole) > 0)


def precision(totals: Floats) -> Floats:
    """Right ones among those that were given, per label: (..., 3L) to (..., L); 0 where none was given."""
    true, false, _ = split(totals)
    return ratio(true, true + false)


def recall(totals: Floats) -> Floats:
    """Right ones among those that there are, per label: (..., 3L) to (..., L); 0 where there is none."""
    true, _, missed = split(totals)
    return ratio(true, true + missed)


def f1(totals: Floats) -> Floats:
    """Harmonic mean of precision and recall, per label: (..., 3L) to (..., L); 0 where neither is."""
    true, false, missed = split(totals)
    return ratio(2 * true, 2 * true + false + missed)


def counted(totals: Floats) -> NDArray[np.bool_]:
    """Which labels stand in the truth or in the answers: (..., 3L) to (..., L)."""
    return sum(split(totals)) > 0  # type: ignore[return-value]


def macro(measure: Measure, totals: Floats) -> Floats:
    """Mean of a measure over the labels that are `counted`: (..., 3L) to (...); NaN where there is none.

    So does scikit-learn where it is not told which labels there are.
    """
    counted_L = counted(totals)
    with np.errstate(invalid="ignore"):
        averaged: Floats = np.where(counted_L, measure(totals), 0.0).sum(-1) / counted_L.sum(-1)
    return averaged


def micro(measure: Measure, totals: Floats) -> Floats:
    """A measure of the counts added up over the labels: (..., 3L) to (...); NaN where all of them are 0."""
    pooled = np.stack([block.sum(-1) for block in split(totals)], axis=-1)
    return np.where(counted(pooled), measure(pooled), np.nan)[..., 0]


def by_label(measure: Measure, counts: csr_array, labels: Sequence[str]) -> dict[str, float]:
    """A measure of each label that is `counted`, from the counts (N, 3L)."""
    totals = counts.sum(0)
    values = zip(labels, measure(totals), counted(totals), strict=True)
    return {label: float(value) for label, value, there in values if there}


def numbers(names: Sequence[str], labels: Sequence[str], what: str) -> list[int]:
    """The places of labels among the labels; `what` they are is told where one is not: "gold" or "predicted".

    Raises `Refusal` for a label that is not among them.
    """
    number = {label: place for place, label in enumerate(labels)}
    return [place for row, name in enumerate(names) for place in _places(((name, name),), number, row, what)]


def _places(marks: Iterable[Mark], number: dict[str, int], row: int, what: str) -> list[int]:
    places = []
    for _, label in marks:
        if label not in number:
            labels = list(number)
            known = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
            raise Refusal(
                f"Record {row + 1} has the {what} label '{label}', which the model was not trained on; it knows: "
                f"{known}; mend the data or train on data that has this label."
            )
        places.append(number[label])
    return places


def _sparse(rows: list[int], columns: list[int], shape: tuple[int, int]) -> csr_array:
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=shape)
