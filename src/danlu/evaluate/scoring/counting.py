"""True positives, false positives and false negatives of each label, for every example on its own.

Shapes: N examples, L labels. Counts lie as (N, 3L): all true positives, then all false positives, then all
false negatives, each in the order of the labels.
"""

from collections.abc import Callable, Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.refusal import Refusal

Floats = NDArray[np.float64]
Span = tuple[int, int, str]
Measure = Callable[[Floats], Floats]
"""`precision`, `recall` or `f1`: sums (..., 3L) to a value a label (..., L)."""


def of_labels(gold: Sequence[str], predicted: Sequence[str], labels: Sequence[str]) -> Floats:
    """Counts (N, 3L) where an example has one label and is given one.

    Raises `Refusal` for a label that is not among `labels`.
    """
    number = {label: place for place, label in enumerate(labels)}
    gold_N, predicted_N = _numbers(gold, number, "gold label"), _numbers(predicted, number, "predicted label")
    rows_N, wide = np.arange(len(gold_N)), len(labels)
    counts = np.zeros((len(gold_N), 3 * wide))
    right_N = gold_N == predicted_N
    counts[rows_N[right_N], gold_N[right_N]] = 1
    counts[rows_N[~right_N], predicted_N[~right_N] + wide] = 1
    counts[rows_N[~right_N], gold_N[~right_N] + 2 * wide] = 1
    return counts


def of_spans(gold: Sequence[Collection[Span]], predicted: Sequence[Collection[Span]], labels: Sequence[str]) -> Floats:
    """Counts (N, 3L) of spans `(start, end, label)`; a span is right if all three agree.

    Raises `Refusal` for a label that is not among `labels`.
    """
    number = {label: place for place, label in enumerate(labels)}
    counts = np.zeros((len(gold), 3 * len(labels)))
    for row, (true, guessed) in enumerate(zip(gold, predicted, strict=True)):
        true_spans, guessed_spans = {*map(tuple, true)}, {*map(tuple, guessed)}
        if not true_spans and not guessed_spans:
            continue
        shares = (true_spans & guessed_spans, guessed_spans - true_spans, true_spans - guessed_spans)
        for block, spans in enumerate(shares):
            for _, _, label in spans:
                if label not in number:
                    raise Refusal(_unknown("entity label", row, label, labels))
                counts[row, block * len(labels) + number[label]] += 1
    return counts


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


def by_label(measure: Measure, totals: Floats, labels: Sequence[str]) -> dict[str, float]:
    """A measure of each label that is `counted`, from the sums (3L,)."""
    values = zip(labels, measure(totals), counted(totals), strict=True)
    return {label: float(value) for label, value, there in values if there}


def _numbers(names: Sequence[str], number: dict[str, int], what: str) -> NDArray[np.int64]:
    try:
        return np.fromiter((number[name] for name in names), dtype=np.int64, count=len(names))
    except KeyError:
        row, name = next((row, name) for row, name in enumerate(names) if name not in number)
        raise Refusal(_unknown(what, row, name, list(number))) from None


def _unknown(what: str, row: int, name: object, labels: Sequence[str]) -> str:
    known = ", ".join(labels[:20]) + (", ..." if len(labels) > 20 else "")
    return (
        f"Record {row + 1} has the {what} '{name}', which the model was not trained on; it knows: {known}; "
        "mend the data or train on data that has this label."
    )
