"""The course of a training: loss, validation, learning rate, speed."""

from collections import Counter
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

from danlu.evaluate.pages.charts import Line, Point, line_chart, smoothed
from danlu.evaluate.pages.markup import Html, element, facts, figure
from danlu.evaluate.reporting.wording import duration, metric_name, number
from danlu.evaluate.scoring.metric import Metric
from danlu.recipe.part import find, kinds

_LIMIT = ("share_of_limit", "limit", "limit_in_the_middle")


def curves(log: Sequence[dict[str, Any]], _: Callable[[str], str]) -> Html:
    """Drawings and a few figures from the lines of a `log.jsonl`; nothing if it is empty."""
    steps = [line for line in log if "rate" in line]
    checks = [line for line in log if line.get("validation")]
    if not steps and not checks:
        return Html()
    step = _("step")
    losses = _points(steps, "loss")
    drawings = [
        (_("loss"), line_chart([Line(losses, "faint"), Line(smoothed(losses), "ours")], step, _("loss"))),
    ]
    for kind in checks[0]["validation"] if checks else ():
        points = [
            (line["step"], line["validation"][kind]) for line in checks if _is_number(line["validation"].get(kind))
        ]
        name = _("{metric} on the validation records").format(metric=metric_name(kind, _))
        drawings.append((name, line_chart([Line(points, "ours", dots=True)], step, name)))
    rates = [Line(_points(steps, "rate"), "theirs")]
    drawings.append((_("learning rate"), line_chart(rates, step, _("learning rate"))))
    norms = [Line(_points(steps, "gradient_norm"), "theirs")]
    drawings.append((_("norm of the gradient"), line_chart(norms, step, _("norm of the gradient"))))
    shown = [figure(name, drawing) for name, drawing in drawings if drawing is not None]
    told = [*_facts(steps, checks, _), *_happened(log, _)]
    return element("div", facts(told), element("div", *shown, class_="charts"))


def _facts(
    steps: Sequence[dict[str, Any]], checks: Sequence[dict[str, Any]], _: Callable[[str], str]
) -> list[tuple[str, str]]:
    told: list[tuple[str, str]] = []
    last = max([*steps, *checks], key=lambda line: line["step"])
    told.append((_("steps"), f"{last['step']:,}"))
    if _is_number(last.get("epoch")):
        told.append((_("epochs"), f"{last['epoch']:.3g}"))
    if seconds := [line["seconds"] for line in steps if _is_number(line.get("seconds"))]:
        told.append((_("time"), duration(sum(seconds), _)))
    if speeds := [line["tokens_per_second"] for line in steps if _is_number(line.get("tokens_per_second"))]:
        told.append((_("tokens a second"), f"{median(speeds):,.0f}"))
    if measured := [line for line in steps if all(_is_number(line.get(key)) for key in _LIMIT)]:
        limit, middle = measured[-1]["limit"], measured[-1]["limit_in_the_middle"]
        reached = median(line["share_of_limit"] * line["limit"] for line in measured)
        words = _("{share} of {limit} GFLOP/s, the best that was measured beside it; the median is {middle}")
        numbers = {"limit": f"{limit / 1e9:,.0f}", "middle": f"{middle / 1e9:,.0f}"}
        told.append((_("of the machine's limit"), words.format(share=f"{reached / limit:.0%}", **numbers)))
    told += _times(steps, _)
    if checks:
        kind = next(iter(checks[0]["validation"]))
        held = [line["validation"] for line in checks if not line.get("lost")]
        values = [each[kind] for each in held if _is_number(each.get(kind))]
        if values:
            rising = kind not in kinds(Metric) or find(Metric, kind).higher_is_better  # type: ignore[type-abstract]
            told.append(
                (_("best {metric}").format(metric=metric_name(kind, _)), number((max if rising else min)(values)))
            )
    return told


def _times(steps: Sequence[dict[str, Any]], _: Callable[[str], str]) -> list[tuple[str, str]]:
    """Where the time went, in shares."""
    names = {
        "data_wait": _("of the time waiting for data"),
        "optimizer": _("of the time in the optimizer"),
        "attention": _("of the arithmetic in attention"),
        "padding": _("of the tokens padding"),
    }
    shares = {key: [line[key] for line in steps if _is_number(line.get(key))] for key in names}
    return [(name, f"{median(shares[key]):.1%}") for key, name in names.items() if shares[key]]


def _happened(log: Sequence[dict[str, Any]], _: Callable[[str], str]) -> list[tuple[str, str]]:
    """How many steps were no ordinary ones."""
    names = {
        "left_out": _("steps left out, not finite"),
        "spike": _("loss spikes"),
        "rollback": _("times it went back"),
    }
    counts = Counter(line.get("event") for line in log)
    return [(name, f"{counts[key]:,}") for key, name in names.items() if counts[key]]


def _points(lines: Sequence[dict[str, Any]], key: str) -> list[Point]:
    return [(line["step"], line[key]) for line in lines if _is_number(line.get(key))]


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and value == value and abs(value) != float("inf")  # noqa: PLR0124  (NaN)
