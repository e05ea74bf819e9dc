"""What is kept, scored once more on records that had no say in choosing it.

The best of many rungs was also the luckiest on the records that it was chosen by (the winner's curse), the more so the
more rungs lie about the floor; records that chose nothing do not flatter it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from danlu.bundle.bundle import load
from danlu.compress.climbing import Climb
from danlu.compress.rung import Rung
from danlu.data.record import Record
from danlu.evaluate.scoring.compare import compare
from danlu.evaluate.scoring.examine import digest, examine, write
from danlu.evaluate.scoring.score import truths
from danlu.refusal import Refusal, of_file
from danlu.task.task import Task

FOLDER = "confirmed"


@dataclass(frozen=True)
class Confirmed:
    """How the rung that was chosen fares on `records` others, by the metric of the floor.

    `value` of the rung and `original` of the original, `low` and `high`: ends of the 95 % interval of their difference.
    """

    rung: str
    records: int
    value: float
    original: float
    low: float
    high: float


def refuse_others(task: Task, chosen_by: Sequence[Record], others: Sequence[Record]) -> None:
    """Refuse records that cannot confirm, before hours are spent on rungs.

    Raises:
        Refusal: one lacks its truth, or has chosen too.
    """
    with of_file("--confirm"):
        truths(task, others)
    known = {digest(record) for record in chosen_by}
    for number, record in enumerate(others, 1):
        if digest(record) in known:
            raise Refusal(
                f"--confirm: record {number} is among those that the rungs are chosen by as well; give records that "
                "have no say in it, for example choose by --split validation and confirm with the test"
            )


def confirmed(climb: Climb, rung: Rung, others: Sequence[Record]) -> Confirmed:
    """The rung and the original on `others`; their scores are kept in the ladder's folder."""
    there = replace(climb, test=list(others))
    place = climb.folder / FOLDER
    climb.say(f"{rung.name}: {len(others):,} records that chose nothing are answered, by the original as well")
    first = _scored(there, climb.original.folder, place / "original")
    second = _scored(there, climb.bundle_of(rung), place / "rung")
    compared = compare(first, second, resamples=climb.resamples, seed=climb.seed)
    row = next(row for row in compared.metrics if row.metric == climb.metric)
    apart = row.difference
    return Confirmed(rung.name, len(others), row.second.value, row.first.value, apart.low, apart.high)


def _scored(climb: Climb, bundle: Path, place: Path) -> Path:
    how: dict[str, Any] = {"metrics": [climb.metric], "resamples": climb.resamples, "seed": climb.seed}
    with load(bundle) as made:
        write(place, examine(made.task, made.stream, climb.test, **how))
    return place
