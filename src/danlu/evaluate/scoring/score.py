"""Scores of predictions: every metric of the task with its interval, beside a baseline on the same records."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from danlu.data.record import Record
from danlu.evaluate.scoring.metric import Floats, Metric
from danlu.evaluate.scoring.resample import Interval, interval, resampled_totals
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task


@dataclass(frozen=True)
class Measured:
    """One metric: its value with the 95 % interval, and the value of each label."""

    interval: Interval
    by_label: dict[str, float] = field(default_factory=dict)

    def to_plain(self) -> dict[str, Any]:
        """As it stands in `scores.json`."""
        return {**self.interval.to_plain(), "by_label": self.by_label}


@dataclass(frozen=True)
class Rival:
    """The baseline: which one, its metrics, and the model's metrics minus its own with the paired interval."""

    kind: str
    metrics: dict[str, Measured]
    difference: dict[str, Interval]

    def to_plain(self) -> dict[str, Any]:
        """As it stands in `scores.json`."""
        return {
            "kind": self.kind,
            "metrics": {name: measured.to_plain() for name, measured in self.metrics.items()},
            "difference": {name: gap.to_plain() for name, gap in self.difference.items()},
        }


@dataclass(frozen=True)
class Scores:
    """What `scores.json` holds.

    `support` is how many examples or entities of each label there are in the truth; `absent` are the labels that stand
    neither there nor in the answers, and so count in no mean over labels.
    """

    records: int
    labels: tuple[str, ...]
    metrics: dict[str, Measured]
    support: dict[str, int]
    absent: tuple[str, ...]
    confusion: list[list[int]] | None
    baseline: Rival | None

    def to_plain(self) -> dict[str, Any]:
        """As plain data; rows of the confusion matrix are the truth, columns what was predicted."""
        return {
            "records": self.records,
            "labels": list(self.labels),
            "metrics": {name: measured.to_plain() for name, measured in self.metrics.items()},
            "support": self.support,
            "absent": list(self.absent),
            "baseline": self.baseline.to_plain() if self.baseline else None,
            "confusion": {"labels": list(self.labels), "matrix": self.confusion} if self.confusion else None,
        }


def score(
    task: Task,
    records: Sequence[Record],
    predictions: Sequence[Prediction],
    *,
    resamples: int = 1000,
    seed: int = 0,
    baseline: tuple[str, Sequence[Prediction]] | None = None,
) -> Scores:
    """Score predictions by the task's metrics, with 95 % percentile intervals (Efron 1979).

    `baseline` is the kind of a baseline and its predictions of the same records. Raises `Refusal` if there are
    no records, if predictions and records differ in number, or if a record has no truth or an unknown label.
    """
    gold = truths(task, records, predictions)
    answers = [task.answer(prediction) for prediction in predictions]
    rival = None
    if baseline:
        truths(task, records, baseline[1])
        rival = (baseline[0], [task.answer(prediction) for prediction in baseline[1]])
    return score_answers(task.metrics, task.label_names(), gold, answers, resamples=resamples, seed=seed, rival=rival)


def score_answers(
    metrics: Sequence[str],
    labels: Sequence[str],
    gold: Sequence[Any],
    answers: Sequence[Any],
    *,
    resamples: int = 1000,
    seed: int = 0,
    rival: tuple[str, Sequence[Any]] | None = None,
) -> Scores:
    """Scores of answers that are already in the form in which metrics compare them, as `score` gives them."""
    measured: dict[str, Measured] = {}
    of_rival: dict[str, Measured] = {}
    difference: dict[str, Interval] = {}
    for name in metrics:
        metric = find(Metric, name)()  # type: ignore[type-abstract]
        sides = [answers] if rival is None else [answers, rival[1]]
        counts = [metric.counts(gold, side, labels) for side in sides]
        samples = [metric.value(totals) for totals in resampled_totals(counts, resamples, seed)]
        measured[name] = _measured(metric, counts[0], samples[0], labels)
        if rival is not None:
            of_rival[name] = _measured(metric, counts[1], samples[1], labels)
            gap = measured[name].interval.value - of_rival[name].interval.value
            difference[name] = interval(gap, samples[0] - samples[1])
    there, answered = support(gold, labels), support(answers, labels)
    single = bool(labels) and all(isinstance(each, str) for each in gold)
    return Scores(
        records=len(gold),
        labels=tuple(labels),
        metrics=measured,
        support=there,
        absent=tuple(label for label in labels if not there[label] + answered[label]),
        confusion=confusion(gold, answers, labels) if single else None,
        baseline=Rival(rival[0], of_rival, difference) if rival else None,
    )


def values(task: Task, records: Sequence[Record], predictions: Sequence[Prediction]) -> dict[str, float]:
    """The task's metrics without intervals, as cheap as can be; refuses what `score` refuses."""
    gold = truths(task, records, predictions)
    answers = [task.answer(prediction) for prediction in predictions]
    found = {}
    for name in task.metrics:
        metric = find(Metric, name)()  # type: ignore[type-abstract]
        found[name] = float(metric.value(metric.counts(gold, answers, task.label_names()).sum(0)))
    return found


def truths(task: Task, records: Sequence[Record], predictions: Sequence[Prediction]) -> list[Any]:
    """The truth of each record, once it is sure that each has a prediction.

    Raises `Refusal` if there are none, if their numbers differ, or if a record has no truth.
    """
    if not records:
        raise Refusal("There are no records to evaluate on; give a file or a split that is not empty.")
    if len(records) != len(predictions):
        raise Refusal(
            f"There are {len(predictions)} predictions for {len(records)} records; predict these very records again."
        )
    gold = []
    for number, record in enumerate(records):
        try:
            gold.append(task.gold(record, number))
        except KeyError as missing:
            raise Refusal(
                f"Record {number + 1} has no column {missing}, and evaluation compares with the truth; it has: "
                f"{', '.join(record) or 'nothing'}; add the column, or use `danlu predict` for data without it."
            ) from None
    return gold


def support(truths: Sequence[Any], labels: Sequence[str]) -> dict[str, int]:
    """How many examples, or spans, of each label there are in truths, or in answers; nothing without labels."""
    found: Counter[str] = Counter()
    for each in truths if labels else ():
        found.update([each] if isinstance(each, str) else [label for _, _, label in each])
    return {label: found[label] for label in labels}


def confusion(gold: Sequence[str], answers: Sequence[str], labels: Sequence[str]) -> list[list[int]]:
    """How often each label (row) was answered by each label (column)."""
    number: Mapping[str, int] = {label: place for place, label in enumerate(labels)}
    matrix = np.zeros((len(labels), len(labels)), dtype=np.int64)
    np.add.at(matrix, ([number[each] for each in gold], [number[each] for each in answers]), 1)
    plain: list[list[int]] = matrix.tolist()
    return plain


def _measured(metric: Metric, counts: Floats, samples: Floats, labels: Sequence[str]) -> Measured:
    totals = counts.sum(0)
    return Measured(interval(metric.value(totals), samples), metric.by_label(totals, labels))
