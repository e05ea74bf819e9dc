"""The worst errors: what the model got wrong while it was surest, or got wrong in most places."""

from collections.abc import Iterable, Iterator, Sequence
from heapq import nsmallest
from typing import Any

from danlu.answer.answer import Answer
from danlu.data.record import Record
from danlu.task.task import Prediction


def worst(
    form: Answer,
    records: Sequence[Record],
    gold: Sequence[Any],
    predictions: Iterable[Prediction],
    limit: int = 200,
) -> list[dict[str, Any]]:
    """Up to `limit` wrong predictions as lines for `errors.jsonl`, the worst first, as the form of answers judges.

    All predictions are taken, one after the other, and no more of them is kept than that.
    """
    found = _wrong_ones(form, records, gold, predictions)
    return nsmallest(max(1, limit), found, key=lambda error: (-error["wrong"], -error["confidence"]))[:limit]


def _wrong_ones(
    form: Answer, records: Sequence[Record], gold: Sequence[Any], predictions: Iterable[Prediction]
) -> Iterator[dict[str, Any]]:
    for prediction, record, truth in zip(predictions, records, gold, strict=False):
        wrong, confidence = form.wrong(truth, prediction)
        if wrong:
            yield {
                "record": record,
                "gold": form.told(truth),
                "prediction": prediction,
                "confidence": confidence,
                "wrong": wrong,
            }
