"""Two evaluations side by side: how much better the second is, and whether that could be chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from danlu.answer.answer import Answer
from danlu.evaluate.scoring.changes import Changes, changes
from danlu.evaluate.scoring.columns import room_for_scores
from danlu.evaluate.scoring.examine import ANSWERS, form_of, read_lines, read_scores
from danlu.evaluate.scoring.metric import Metric, measures
from danlu.evaluate.scoring.resample import Interval, independent_difference
from danlu.evaluate.scoring.score import score_sides
from danlu.evaluate.scoring.side import Side
from danlu.machine.door import opened
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal

CHANCE = 0.05
"""From which on a difference may be chance."""


@dataclass(frozen=True)
class Comparison:
    """A metric of two evaluations, and the second minus the first with its 95 % interval.

    `p` is how often a difference as large would be drawn where there is none; None for records that differ.
    """

    metric: str
    first: Interval
    second: Interval
    difference: Interval
    p: float | None = None

    @property
    def better(self) -> bool | None:
        """Whether the second is better; None if the interval of the difference holds 0, or is none.

        Where a value between others is best, also None if the two lie on both sides of it.
        """
        apart = self.difference.low > 0 or self.difference.high < 0
        likely = self.p is not None and self.p >= CHANCE
        if not apart or likely:  # of a few records the draws tell too narrow an interval
            return None
        metric = find(Metric, self.metric)  # type: ignore[type-abstract]
        rises, higher = self.difference.value > 0, metric.higher_is_better
        if metric.best is not None:
            lower, upper = sorted((self.first.value, self.second.value))
            if lower < metric.best < upper:
                return None
            higher = upper <= metric.best
        return rises == higher


@dataclass(frozen=True)
class Compared:
    """All metrics that two evaluations share; `paired` where both saw the same records.

    `changes` are the answers that became right or wrong, where answers are one or the other.
    """

    paired: bool
    metrics: list[Comparison]
    changes: Changes | None = None


def compare(first: Path, second: Path, *, resamples: int = 1000, seed: int = 0) -> Compared:
    """Compare two evaluations, given as folders or as their `scores.json`.

    With the same records in both, the difference is resampled record by record (Efron 1979), which tells far
    smaller differences from chance; otherwise its interval follows from the two (Zou and Donner 2008).
    Raises `Refusal` if scores are missing, or if the two have no metric in common.
    """
    with opened(f"{first} and {second}", "cannot be compared", "evaluate again"):
        return _compared(first, second, resamples, seed)


def _compared(first: Path, second: Path, resamples: int, seed: int) -> Compared:
    ours, theirs = read_scores(first), read_scores(second)
    shared = [name for name in ours["metrics"] if name in theirs["metrics"] and name in kinds(Metric)]
    if not shared:
        raise Refusal(
            f"{first} and {second} have no metric in common ({', '.join(ours['metrics'])}; "
            f"{', '.join(theirs['metrics'])}); compare evaluations of the same task."
        )
    folders = [path if path.is_dir() else path.parent for path in (first, second)]
    if _same_records(*(folder / ANSWERS for folder in folders)):
        form = _form(first, second, ours, theirs)
        labels = list(dict.fromkeys([*ours.get("labels", []), *theirs.get("labels", [])]))
        return Compared(
            paired=True,
            metrics=_paired(measures(shared, form.kind), form, labels, folders, resamples, seed),
            changes=changes(folders[0], folders[1], form),
        )
    rows = []
    for name in shared:
        one, two = (_interval(scores["metrics"][name], name) for scores in (ours, theirs))
        rows.append(Comparison(name, one, two, independent_difference(two, one)))
    return Compared(paired=False, metrics=rows)


def _form(first: Path, second: Path, *scores: dict[str, Any]) -> Answer:
    """The form of the answers of both."""
    one, two = (form_of(each) for each in scores)
    if one is None or two is None:
        raise Refusal(f"{first if one is None else second}: its 'form' of answers is not known here; evaluate again.")
    if one != two:
        raise Refusal(
            f"{first} and {second} hold answers of other forms ({one.kind}, {two.kind}); compare evaluations of the "
            "same task."
        )
    return one


def _paired(
    metrics: dict[str, Metric], form: Answer, labels: Sequence[str], folders: Sequence[Path], resamples: int, seed: int
) -> list[Comparison]:
    scored = any(metric.needs_scores for metric in metrics.values())
    one, two = (side_in(folder, form, labels, scored=scored) for folder in folders)
    return compared_sides(metrics, one, two, resamples=resamples, seed=seed)


def compared_sides(
    metrics: dict[str, Metric], one: Side, two: Side, *, resamples: int = 1000, seed: int = 0
) -> list[Comparison]:
    """Each metric of two sides that answered the same records, resampled record by record.

    Each is held against its own truth, for models may spell labels differently.
    """
    scores = score_sides(metrics, two, ("first", one), resamples=resamples, seed=seed)
    assert scores.baseline is not None
    return [
        Comparison(
            name,
            scores.baseline.metrics[name].interval,
            scores.metrics[name].interval,
            scores.baseline.difference[name],
            scores.baseline.chance[name],
        )
        for name in metrics
    ]


def side_in(folder: Path, form: Answer, labels: Sequence[str], *, scored: bool) -> Side:
    """The answers of one; a label that it does not know has the lowest score."""
    side = Side(form, labels, gold := list[Any](), scores=room_for_scores(labels) if scored else None)
    known = read_scores(folder).get("labels", [])
    for line in read_lines(folder / ANSWERS):
        gold.append(form.read(line["gold"]))
        side.values.append(form.read(line["answer"]))
        if side.scores is not None:
            scores = dict(zip(known, line["scores"], strict=True)) if labels else {}
            side.scores.append([scores.get(label, 0.0) for label in labels] if labels else line["scores"])
    return side


def _same_records(one: Path, two: Path) -> bool:
    """Whether both answered the same records in the same order, and any at all."""
    digests = ((line["digest"] for line in read_lines(file)) for file in (one, two))
    return one.is_file() and all(first == second for first, second in zip_longest(*digests))


def _interval(plain: dict[str, Any], name: str) -> Interval:
    if any(plain.get(key) is None for key in ("value", "low", "high")):
        raise Refusal(f"The metric '{name}' has no finite value in one of the two; there is nothing to compare.")
    return Interval(plain["value"], plain["low"], plain["high"])
