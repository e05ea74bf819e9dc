"""What is kept, scored once more on records that had no say in choosing it.

The best of many rungs was also the luckiest on the records that it was chosen by (the winner's curse), the more so the
more rungs lie about the floor; records that chose nothing do not flatter it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from danlu.bundle.bundle import Bundle, load
from danlu.compress.climbing import Climb
from danlu.compress.rung import Rung
from danlu.data.record import TRUTHS, Record
from danlu.evaluate.scoring.compare import compare
from danlu.evaluate.scoring.counting import of_truths
from danlu.evaluate.scoring.examine import digest
from danlu.evaluate.scoring.score import empty_side, truths
from danlu.refusal import Refusal, of_file
from danlu.task.task import Task

FOLDER = "confirmed"


BY_CHANCE = 0.05
"""Share of the records of a test that may stand in what is learnt from, as short texts do."""


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


def refuse_learnt(task: Task, test: Sequence[Record], learnt: Sequence[Record], say: Callable[[str], None]) -> None:
    """Refuse a test of which much is learnt from, whatever its labels there; a few records that are so are told.

    Raises:
        Refusal: scores on the test would flatter what has learnt from it.
    """
    known = {_asked(task, record) for record in learnt}
    shared = sum(_asked(task, record) in known for record in test)
    if shared > max(1, BY_CHANCE * len(test)):
        raise Refusal(
            f"{shared:,} of the {len(test):,} records that rungs are scored on are among those that they learn from, "
            "so the scores would flatter them; give others to learn from, or others to score on"
        )
    if shared:
        say(f"{shared:,} of the {len(test):,} records that rungs are scored on are learnt from too")


def _asked(task: Task, record: Record) -> str:
    """What tells records apart, whatever their truths: all of the columns that a task reads but these."""
    return digest({name: value for name, value in task.kept(record).items() if name not in TRUTHS} or record)


def refuse_others(original: Bundle, seen: Sequence[Record], others: Sequence[Record]) -> None:
    """Refuse records that cannot confirm, before hours are spent on rungs; `seen` choose, or are learnt from.

    Raises:
        Refusal: the first cannot be answered; one lacks its truth, has a label that is not known, or was seen.
    """
    with of_file("--confirm"):
        list(original.stream(others[:1]))
        of_truths(empty_side(original.task, truths(original.task, others), {}))
    known = {digest(record) for record in seen}
    for number, record in enumerate(others, 1):
        if digest(record) in known:
            raise Refusal(
                f"--confirm: record {number} is among those that rungs are chosen by or learn from; give records that "
                "have no say in it, for example choose by --split validation and confirm with the test"
            )


def confirmed(climb: Climb, rung: Rung, others: Sequence[Record]) -> Confirmed:
    """The rung and the original on `others`; their scores are kept in the ladder's folder."""
    there, place = replace(climb, test=list(others)), climb.folder / FOLDER
    first, second = place / "original", place / "rung"
    climb.say(f"{rung.name}: {len(others):,} records that chose nothing are answered, by the original as well")
    there.scored(climb.original, first)
    with load(climb.bundle_of(rung)) as made:
        there.scored(made, second)
    compared = compare(first, second, resamples=climb.resamples, seed=climb.seed)
    row = next(row for row in compared.metrics if row.metric == climb.metric)
    apart = row.difference
    return Confirmed(rung.name, len(others), row.second.value, row.first.value, apart.low, apart.high)
