"""A floor of quality, as people write it: `accuracy -0.5` is half a point below the original at most."""

import re
from dataclasses import dataclass

from danlu.evaluate.scoring.metric import Metric, unknown_metric
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.task import Task

POINT = 0.01
"""A point of a metric between 0 and 1; others are counted in their own unit."""

OWN_UNIT = ("bleu", "chrf", "mse", "mae", "perplexity", "length_ratio", "reward_margin", "nll", "brier")

_SLACK = 1e-9  # rounding of differences
_WRITTEN = re.compile(r"\s*([A-Za-z_]\w*)\s*(?:([-+−]|>=|<=)?\s*(\d+(?:\.\d+)?|\.\d+)\s*(points?|%)?)?\s*")


@dataclass(frozen=True)
class Floor:
    """What a smaller model must still reach in a metric.

    - `change`: how far it may lie from the original, signed, in the metric's own unit; None where `bound` is given.
    - `bound`: a value of the metric, whatever the original has.
    """

    metric: str
    change: float | None = None
    bound: float | None = None

    @property
    def higher_is_better(self) -> bool:
        """Whether the metric is."""
        return find(Metric, self.metric).higher_is_better  # type: ignore[type-abstract]

    def at(self, original: float) -> float:
        """The value of the metric at which the floor lies, where the original has this one."""
        return original + self.change if self.change is not None else self.bound or 0.0

    def holds(self, value: float, original: float) -> bool:
        """Whether a value lies on the floor or on its better side."""
        room = value - self.at(original) if self.higher_is_better else self.at(original) - value
        return room >= -_SLACK


def floor_of(text: str, task: Task) -> Floor:
    """What a person has written, for a bundle of a task.

    Raises:
        Refusal: there is no such metric or it does not measure these answers; no number; or a sign that asks for more
            than the original has.
    """
    match = _WRITTEN.fullmatch(text)
    first = task.metrics[0]
    if match is None or match[3] is None:
        raise Refusal(
            f"--floor '{text}': expected a metric and how far it may fall, such as '{first} -0.5' for half a point, or "
            f"the value that it must have, such as '{first} 0.9'"
        )
    metric, sign, number = match[1], match[2] or "", float(match[3])
    if unknown := unknown_metric(metric):
        raise Refusal(f"--floor '{text}': {unknown}; the task {task.kind} is measured by {', '.join(task.metrics)}")
    forms = find(Metric, metric).forms  # type: ignore[type-abstract]
    if forms and task.examined_as not in forms:
        raise Refusal(
            f"--floor '{text}': {metric} measures answers of the form {' or '.join(forms)}, and the task {task.kind} "
            f"is measured by {', '.join(task.metrics)}"
        )
    best, higher = find(Metric, metric).best, find(Metric, metric).higher_is_better  # type: ignore[type-abstract]
    if best is not None:
        raise Refusal(
            f"--floor '{text}': {metric} is best at {best:g} and worse on both sides of it, so it has no floor; the "
            f"task {task.kind} is measured by {', '.join(task.metrics)}"
        )
    if sign in ("", ">=", "<="):
        _refuse_beyond(text, metric, number, match[4])
        right, value = ">=" if higher else "<=", _with_unit(number, match[4], metric)
        if match[4] and not sign:
            raise Refusal(
                f"--floor '{text}': {match[4]} without a sign may be a change or a value; write "
                f"'{metric} {'-' if higher else '+'}{number:g}' for a change from the original, or "
                f"'{metric} {right} {value}' for a value"
            )
        if sign not in ("", right):
            raise Refusal(
                f"--floor '{text}': {metric} must lie on the other side of a floor; write '{metric} {right} {value}'"
            )
        if match[4] and 0 < number < 1 and higher and metric not in OWN_UNIT:
            raise Refusal(
                f"--floor '{text}': {number:g} {match[4]} is a value of {number / 100:g}; write '{metric} {sign} "
                f"{number / 100:g}' if that is meant, or '{metric} {sign} {number:g}' for {number * 100:g} %"
            )
        return Floor(metric, bound=number / 100 if match[4] and metric not in OWN_UNIT else number)
    if number and (sign == "+") == higher:
        right = "-" if higher else "+"
        raise Refusal(
            f"--floor '{text}': {metric} is better the {'higher' if higher else 'lower'}, so a floor below the "
            f"original is written '{metric} {right}{number:g}'"
        )
    unit = 1.0 if metric in OWN_UNIT else POINT
    return Floor(metric, change=number * unit * (-1 if higher else 1))


def _with_unit(number: float, unit: str | None, metric: str) -> str:
    """How a value is written; without the unit where that could be taken for a value without it."""
    if unit and number < 1 and metric not in OWN_UNIT:
        return f"{number / 100:g}"
    return f"{number:g} {unit}" if unit else f"{number:g}"


def _refuse_beyond(text: str, metric: str, number: float, unit: str | None) -> None:
    """Refuse a number that a metric between 0 and 1 cannot have."""
    if metric in OWN_UNIT:
        return
    if number > 100:
        raise Refusal(f"--floor '{text}': {metric} lies between 0 and 1, or 0 and 100 %; write a number in between")
    if not unit and number > 1:
        raise Refusal(
            f"--floor '{text}': {metric} lies between 0 and 1; write '{metric} {number / 100:g}' for {number:g} %, or "
            f"'{metric} -{number:g}' for so many points below the original"
        )
