"""The same test set asked otherwise: how much a score drops, and how many answers change.

Shapes: N records.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from danlu.data.record import Record
from danlu.evaluate.perturbing.perturbation import Perturbation
from danlu.evaluate.scoring.metric import measures
from danlu.evaluate.scoring.proportion import share_of
from danlu.evaluate.scoring.score import filled, score_sides, truths
from danlu.evaluate.scoring.side import Side
from danlu.machine.seed import generator
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task

UNDER = "under"
"""Where `scores.json` tells of it."""

Predict = Callable[[Sequence[Record]], Iterable[Prediction]]


def scored_under(
    task: Task,
    predict: Predict,
    records: Sequence[Record],
    clean: Side,
    perturbations: Sequence[Perturbation],
    *,
    metrics: Sequence[str] = (),
    resamples: int = 1000,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Each perturbation: how many records it changed, the metrics then, and what they differ from the `clean` ones by.

    The difference is resampled record by record (Efron, 1979), so records that stay as they are tell that nothing
    happens to them. Of the records that were changed, the share whose answer is another one has its score interval;
    where answers name characters, which move with the text, it is the share that became right or wrong. Numbers
    always change a little, so of these it is not told.

    Raises:
        Refusal: a perturbation changes no record at all, or cannot be made without an extra.
    """
    measured = measures([*task.metrics, *metrics], task.examined_as)
    found = []
    for place, perturbation in enumerate(perturbations):
        changed = asked_otherwise(task, records, perturbation, seed, place)
        rows = [row for row, (before, after) in enumerate(zip(records, changed, strict=True)) if before != after]
        told: dict[str, Any] = {
            "kind": perturbation.kind,
            "settings": {name: value for name, value in perturbation.to_plain().items() if name != "kind"},
            "seed": seed,
            "records": len(records),
            "changed": len(rows),
        }
        if not rows:
            found.append(told)
            continue
        side = filled(task, truths(task, changed), task.examined(predict(changed), changed), measured)
        scores = score_sides(measured, side, ("clean", clean), resamples=resamples, seed=seed)
        assert scores.baseline is not None
        other = _answers_changed(clean, side, rows)
        told["answers_changed"] = None if other is None else share_of(other, len(rows)).to_plain()
        told["metrics"] = {name: each.interval.to_plain() for name, each in scores.metrics.items()}
        told["difference"] = {name: gap.to_plain() for name, gap in scores.baseline.difference.items()}
        found.append(told)
    return found


def asked_otherwise(
    task: Task, records: Sequence[Record], perturbation: Perturbation, seed: int, place: int = 0
) -> list[Record]:
    """The records with every column changed that the task reads as one text; what is chosen among stays.

    Raises:
        Refusal: the task reads no text.
    """
    columns = texts_read(task, records)
    found = list(records)
    for column in columns:
        found = perturbation.perturbed(found, column, generator(seed, "under", place, column))
    return found


def texts_read(task: Task, records: Sequence[Record]) -> list[str]:
    """The columns that a task reads as one text, `text` also where a record has tokens instead.

    Raises:
        Refusal: there is none.
    """
    names = dict.fromkeys([*task.reads, *task.also_reads])
    found = [name for name in names if any(isinstance(record.get(name), str) for record in records)]
    if "text" in names and "text" not in found and any("tokens" in record for record in records):
        found.append("text")
    if not found:
        raise Refusal(
            f"the task {task.kind} reads no column with a text here ({', '.join(names)}), so nothing can be asked "
            "otherwise; leave 'under' and 'swap' out"
        )
    return found


def _answers_changed(clean: Side, side: Side, rows: Sequence[int]) -> int | None:
    """How many of some records have another answer; None where answers are numbers."""
    if side.form.of_numbers:
        return None
    if not side.form.of_characters:
        return sum(bool(clean.values[row] != side.values[row]) for row in rows)
    right = clean.form.right
    return sum(right(clean.gold[row], clean.values[row]) != right(side.gold[row], side.values[row]) for row in rows)
