"""Two evaluations side by side: how much better the second is, and whether that could be chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danlu.evaluate.scoring.examine import ANSWERS, read_lines, read_scores
from danlu.evaluate.scoring.metric import Metric
from danlu.evaluate.scoring.resample import Interval, independent_difference
from danlu.evaluate.scoring.score import score_answers
from danlu.machine.door import opened
from danlu.recipe.part import find, kinds
from danlu.refusal import Refusal


@dataclass(frozen=True)
class Comparison:
    """A metric of two evaluations, and the second minus the first with its 95 % interval."""

    metric: str
    first: Interval
    second: Interval
    difference: Interval

    @property
    def better(self) -> bool | None:
        """Whether the second is better; None if the interval of the difference holds 0, or is none."""
        apart = self.difference.low > 0 or self.difference.high < 0
        if not apart:
            return None
        return (self.difference.value > 0) == find(Metric, self.metric).higher_is_better  # type: ignore[type-abstract]


@dataclass(frozen=True)
class Compared:
    """All metrics that two evaluations share; `paired` where both saw the same records."""

    paired: bool
    metrics: list[Comparison]


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
    answers = [read_lines((path if path.is_dir() else path.parent) / ANSWERS) for path in (first, second)]
    labels = list(dict.fromkeys([*ours.get("labels", []), *theirs.get("labels", [])]))
    if _same_records(*answers):
        return Compared(paired=True, metrics=_paired(shared, labels, answers, resamples, seed))
    rows = []
    for name in shared:
        one, two = (_interval(scores["metrics"][name], name) for scores in (ours, theirs))
        rows.append(Comparison(name, one, two, independent_difference(two, one)))
    return Compared(paired=False, metrics=rows)


def _paired(
    metrics: Sequence[str], labels: Sequence[str], answers: Sequence[list[dict[str, Any]]], resamples: int, seed: int
) -> list[Comparison]:
    gold, one = ([_hashable(line[key]) for line in answers[0]] for key in ("gold", "answer"))
    two = [_hashable(line["answer"]) for line in answers[1]]
    scores = score_answers(metrics, labels, gold, two, resamples=resamples, seed=seed, rival=("first", one))
    assert scores.baseline is not None
    return [
        Comparison(
            name,
            scores.baseline.metrics[name].interval,
            scores.metrics[name].interval,
            scores.baseline.difference[name],
        )
        for name in metrics
    ]


def _same_records(one: Sequence[dict[str, Any]], two: Sequence[dict[str, Any]]) -> bool:
    return bool(one) and [line["digest"] for line in one] == [line["digest"] for line in two]


def _hashable(plain: Any) -> Any:
    if isinstance(plain, list) and all(isinstance(each, list) for each in plain):
        return frozenset(tuple(each) for each in plain)
    return plain


def _interval(plain: dict[str, Any], name: str) -> Interval:
    if any(plain.get(key) is None for key in ("value", "low", "high")):
        raise Refusal(f"The metric '{name}' has no finite value in one of the two; there is nothing to compare.")
    return Interval(plain["value"], plain["low"], plain["high"])
