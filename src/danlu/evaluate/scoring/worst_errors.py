"""The worst errors: what the model got wrong while it was surest, or got wrong in most places."""

from collections.abc import Sequence, Set
from typing import Any

from danlu.data.record import Record
from danlu.evaluate.scoring.score import truths
from danlu.task.task import Prediction, Task


def worst(
    task: Task, records: Sequence[Record], predictions: Sequence[Prediction], limit: int = 200
) -> list[dict[str, Any]]:
    """Up to `limit` wrong predictions as lines for `errors.jsonl`, the worst first.

    One label: by the probability of the wrong label. Spans: by how many are wrongly found or missed. Language
    models, which are never simply wrong: by negative log-likelihood a token (nats), the highest first.
    Raises `Refusal` as `score` does.
    """
    found = []
    for record, truth, prediction in zip(records, truths(task, records, predictions), predictions, strict=True):
        answer = task.answer(prediction)
        wrong, confidence = _how_wrong(truth, answer, prediction)
        if wrong:
            found.append(
                {
                    "record": record,
                    "gold": plain_truth(truth),
                    "prediction": prediction,
                    "confidence": confidence,
                    "wrong": wrong,
                }
            )
    found.sort(key=lambda error: (-error["wrong"], -error["confidence"]))
    return found[:limit]


def plain_truth(truth: Any) -> Any:
    """A truth as plain data: spans become a list of `{"start", "end", "label"}` in the order of the text."""
    if isinstance(truth, (set, frozenset)):
        return [{"start": start, "end": end, "label": label} for start, end, label in sorted(truth)]
    return truth


def _how_wrong(truth: Any, answer: Any, prediction: Prediction) -> tuple[int, float]:
    if isinstance(truth, str):
        return int(truth != answer), float(prediction.get("scores", {}).get(answer, 0.0))
    if isinstance(truth, (set, frozenset)):
        return len(truth ^ set(answer)), _surest_wrong(truth, prediction)
    likelihood, tokens = answer
    return int(tokens > 0), likelihood / tokens if tokens else 0.0


def _surest_wrong(truth: Set[Any], prediction: Prediction) -> float:
    wrong = [each for each in prediction["entities"] if (each["start"], each["end"], each["label"]) not in truth]
    return max((float(each.get("score", 0.0)) for each in wrong), default=0.0)
