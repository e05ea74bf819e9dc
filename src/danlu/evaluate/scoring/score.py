"""Scores of predictions: every metric of the task with its interval, beside a baseline on the same records."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from danlu.data.record import Record
from danlu.evaluate.scoring.alike import Alike, alike
from danlu.evaluate.scoring.bits import Bits
from danlu.evaluate.scoring.calibration import Calibration, calibration
from danlu.evaluate.scoring.columns import room_for_scores
from danlu.evaluate.scoring.counting import numbers
from danlu.evaluate.scoring.metric import Floats, Metric, SumMetric, measures
from danlu.evaluate.scoring.outside import Outside
from danlu.evaluate.scoring.proportion import widened
from danlu.evaluate.scoring.resample import Draws, Interval, chance, interval
from danlu.evaluate.scoring.side import Side
from danlu.evaluate.scoring.swapping import chance_by_swaps
from danlu.evaluate.scoring.weakest import Slices
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task


@dataclass(frozen=True)
class Measured:
    """One metric: its value with the 95 % interval, the value of each label, and what of it its name leaves open."""

    interval: Interval
    by_label: dict[str, float] = field(default_factory=dict)
    definition: str = ""

    def to_plain(self) -> dict[str, Any]:
        """As it stands in `scores.json`."""
        defined = {"definition": self.definition} if self.definition else {}
        return {**self.interval.to_plain(), "by_label": self.by_label, **defined}


@dataclass(frozen=True)
class Rival:
    """The baseline: which one, its metrics, and the model's metrics minus its own with the paired interval.

    `chance` is how often a difference as large would be drawn where there is none.
    """

    kind: str
    metrics: dict[str, Measured]
    difference: dict[str, Interval]
    chance: dict[str, float] = field(default_factory=dict)

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

    `form` is that of the answers (`danlu.answer`), by which `answers.jsonl` and `errors.jsonl` are read back.
    `support` is how many examples or entities of each label there are in the truth; `absent` are the labels that stand
    neither there nor in the answers, and so count in no mean over labels.
    """

    records: int
    form: str
    labels: tuple[str, ...]
    metrics: dict[str, Measured]
    support: dict[str, int]
    absent: tuple[str, ...]
    confusion: list[list[int]] | None
    baseline: Rival | None
    calibration: Calibration | None = None
    slices: Slices | None = None
    outside: Outside | None = None
    bits: Bits | None = None
    alike: Alike | None = None

    def to_plain(self) -> dict[str, Any]:
        """As plain data; rows of the confusion matrix are the truth, columns what was predicted."""
        return {
            "records": self.records,
            "form": self.form,
            "labels": list(self.labels),
            "metrics": {name: measured.to_plain() for name, measured in self.metrics.items()},
            "support": self.support,
            "absent": list(self.absent),
            "baseline": self.baseline.to_plain() if self.baseline else None,
            "confusion": {"labels": list(self.labels), "matrix": self.confusion} if self.confusion else None,
            "calibration": self.calibration.to_plain() if self.calibration else None,
            "slices": self.slices.to_plain() if self.slices else None,
            "outside": self.outside.to_plain() if self.outside else None,
            "bits_per_byte": self.bits.to_plain() if self.bits else None,
            "alike": self.alike.to_plain() if self.alike else None,
        }


def score(
    task: Task,
    records: Sequence[Record],
    predictions: Iterable[Prediction],
    *,
    metrics: Sequence[str] = (),
    resamples: int = 1000,
    seed: int = 0,
    baseline: tuple[str, Iterable[Prediction]] | None = None,
) -> Scores:
    """Score predictions by the task's metrics and others, with 95 % percentile intervals (Efron 1979).

    `baseline` is the kind of a baseline and its predictions of the same records. Predictions are taken as they come,
    and nothing is kept of them but what metrics look at. Raises `Refusal` if there are no records, if predictions and
    records differ in number, or if a record has no truth or an unknown label.
    """
    measured = measures([*task.metrics, *metrics], task.examined_as)
    gold = truths(task, records)
    ours = filled(task, gold, task.examined(predictions, records), measured)
    rival = (baseline[0], filled(task, gold, baseline[1], measured)) if baseline else None
    return score_sides(measured, ours, rival, resamples=resamples, seed=seed)


def empty_side(task: Task, gold: Sequence[Any], metrics: dict[str, Metric]) -> Side:
    """A side without an answer yet; with room for scores if one of the metrics looks at them."""
    labels = task.label_names()
    scored = any(metric.needs_scores for metric in metrics.values())
    return Side(task.examined_form, labels, gold, scores=room_for_scores(labels) if scored else None)


def filled(task: Task, gold: Sequence[Any], predictions: Iterable[Prediction], metrics: dict[str, Metric]) -> Side:
    """A side with these predictions."""
    side = empty_side(task, gold, metrics)
    for _ in side.taking(predictions):
        pass
    return side


def score_sides(
    metrics: dict[str, Metric],
    ours: Side,
    rival: tuple[str, Side] | None = None,
    *,
    resamples: int = 1000,
    seed: int = 0,
) -> Scores:
    """Scores of what was answered; `rival` is the kind of a baseline and its answers to the same records.

    Raises `Refusal` as `score` does.
    """
    sides = [ours] if rival is None else [ours, rival[1]]
    for side in sides:
        side.refuse_incomplete()
    draws = Draws(len(ours.gold), resamples, seed)
    measured: dict[str, Measured] = {}
    of_rival: dict[str, Measured] = {}
    difference: dict[str, Interval] = {}
    by_chance: dict[str, float] = {}
    for name, metric in metrics.items():
        prepared = [metric.prepared(side) for side in sides]
        found = [_measured(metric, *each, draws) for each in zip(sides, prepared, strict=True)]
        measured[name], samples = found[0]
        if rival is not None:
            of_rival[name], theirs = found[1]
            gap = measured[name].interval.value - of_rival[name].interval.value
            apart, count = samples - theirs, draws.examples
            difference[name] = interval(gap, apart)
            if gap and metric.bounds is not None:
                width = metric.bounds[1] - metric.bounds[0]
                difference[name] = widened(difference[name], (-width, width), count)
            by_chance[name] = (
                chance_by_swaps(metric, prepared[0], prepared[1], resamples, seed)
                if isinstance(metric, SumMetric) and metric.counts_alike
                else chance(gap, apart, count)
            )
    there, answered = support(ours, ours.gold), support(ours, ours.values)
    return Scores(
        records=len(ours.gold),
        form=ours.form.kind,
        labels=tuple(ours.labels),
        metrics=measured,
        support=there,
        absent=tuple(label for label in ours.labels if not there[label] + answered[label]),
        confusion=confusion(ours) if ours.form.one_label and 0 < len(ours.labels) <= MOST_CONFUSED else None,
        calibration=calibration(ours.certainty, draws) if ours.certainty else None,
        baseline=Rival(rival[0], of_rival, difference, by_chance) if rival else None,
        alike=alike(ours),
    )


def values(task: Task, records: Sequence[Record], predictions: Iterable[Prediction]) -> dict[str, float]:
    """The task's metrics without intervals, as cheap as can be; refuses what `score` refuses."""
    return values_and_alike(task, records, predictions)[0]


def values_and_alike(
    task: Task, records: Sequence[Record], predictions: Iterable[Prediction]
) -> tuple[dict[str, float], Alike | None]:
    """The same `values`, and the answers where they are next to the same."""
    metrics = measures(task.metrics, task.examined_as)
    side = filled(task, truths(task, records), task.examined(predictions, records), metrics)
    side.refuse_incomplete()
    found = {name: metric.measured(metric.prepared(side), len(side.gold)) for name, metric in metrics.items()}
    return found, alike(side)


def truths(task: Task, records: Sequence[Record]) -> list[Any]:
    """The truth of each record.

    Raises `Refusal` for a record that has none.
    """
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


MOST_CONFUSED = 1_000
"""Labels of which it is told how often each was taken for each; 1,500 would be 13.5 MB of JSON (2026-11)."""


def support(side: Side, values: Iterable[Any]) -> dict[str, int]:
    """How many examples, or spans, of each label of a side there are in truths, or in answers."""
    found: Counter[str] = Counter()
    for value in values if side.labels else ():
        found.update(label for _, label in side.form.marks(value))
    return {label: found[label] for label in side.labels}


def confusion(side: Side) -> list[list[int]]:
    """How often each label (row) was answered by each label (column)."""
    matrix = np.zeros((len(side.labels), len(side.labels)), dtype=np.int64)
    true, given = numbers(side.gold, side.labels, "gold"), numbers(side.values, side.labels, "predicted")
    np.add.at(matrix, (true, given), 1)
    plain: list[list[int]] = matrix.tolist()
    return plain


def _measured(metric: Metric, side: Side, prepared: Any, draws: Draws) -> tuple[Measured, Floats]:
    """A metric of a side, and its values in the draws, (R,)."""
    samples = metric.drawn(prepared, draws)
    value = metric.measured(prepared, draws.examples)
    around = widened(interval(value, samples), metric.bounds, draws.examples)
    return Measured(around, metric.by_label(prepared, side), metric.definition(side)), samples
