"""The scores of an evaluation: metrics with their intervals beside the baseline, and every label."""

from collections.abc import Callable
from typing import Any

from danlu.evaluate.pages.charts import intervals
from danlu.evaluate.pages.markup import Html, cell, element, figure, table, together
from danlu.evaluate.reporting.wording import (
    absent_in_words,
    between,
    defined_name,
    label_metric_name,
    metric_name,
    notes_in_words,
    number,
    signed,
)

LABELS = 40  # rows of labels that are shown at once


def results(scores: dict[str, Any], _: Callable[[str], str]) -> Html:
    """Metrics and labels of a `scores.json`."""
    return together(metrics(scores, _), labels(scores, _))


def metrics(scores: dict[str, Any], _: Callable[[str], str]) -> Html:
    """A row a metric: the model, the baseline, the difference, and a drawing of both."""
    baseline = scores.get("baseline")
    head: list[object] = [_("metric"), _("this model")]
    head += [_("baseline {kind}").format(kind=baseline["kind"]), _("difference")] if baseline else []
    rows: list[list[object]] = []
    for kind, measured in scores["metrics"].items():
        row: list[object] = [element("th", defined_name(kind, measured, _), scope="row"), _value(measured, "ours")]
        if baseline:
            gap = baseline.get("difference", {}).get(kind)
            row.append(_value(baseline["metrics"][kind], "theirs"))
            row.append(_gap(gap) if gap else cell("–"))
        rows.append([*row, cell(_drawing(measured, baseline, kind, _), None)])
    said = _("{records:,} records; under each value its interval (95 %)").format(records=scores["records"])
    notes = [element("p", note, class_="quiet") for note in notes_in_words(scores, _)]
    return figure(said, table([*head, ""], rows, class_="scores"), *notes)


def labels(scores: dict[str, Any], _: Callable[[str], str]) -> Html:
    """A row a label, the frequent ones first; nothing if no metric is told by label."""
    told = {kind: measured["by_label"] for kind, measured in scores["metrics"].items() if measured.get("by_label")}
    if not told:
        return Html()
    support = scores.get("support", {})
    baseline = (scores.get("baseline") or {}).get("metrics", {})
    theirs = {kind: baseline[kind]["by_label"] for kind in told if baseline.get(kind, {}).get("by_label")}
    counted = dict.fromkeys(name for values in told.values() for name in values)
    names = sorted(counted, key=lambda name: -support.get(name, 0))
    head: list[object] = [_("label"), _("in the truth")]
    for kind in told:
        head += [label_metric_name(kind, _), *([_("baseline")] if kind in theirs else [])]
    rows: list[list[object]] = []
    for name in names:
        row: list[object] = [element("th", name, scope="row", dir="auto"), cell(f"{support.get(name, 0):,}")]
        for kind, values in told.items():
            row.append(_bar(values[name]) if name in values else cell(number(None), "number quiet"))
            row += [cell(number(theirs[kind].get(name)), "number quiet")] if kind in theirs else []
        rows.append(row)
    said = ". ".join([_("each label by itself"), *absent_in_words(scores, _)])
    shown = [figure(said, table(head, rows[:LABELS], class_="labels"))]
    if rows[LABELS:]:
        rest = _("{count} labels more").format(count=len(rows) - LABELS)
        shown.append(element("details", element("summary", rest), table(head, rows[LABELS:], class_="labels")))
    return together(*shown)


def _value(measured: dict[str, Any], class_: str) -> Html:
    span = element("span", between(measured), class_="interval")
    return cell(together(element("b", number(measured["value"]), class_=class_), " ", span))


def _gap(gap: dict[str, Any]) -> Html:
    span = element("span", between(gap, signed), class_="interval")
    return cell(together(element("b", signed(gap["value"])), " ", span))


def _drawing(measured: dict[str, Any], baseline: dict[str, Any] | None, kind: str, _: Callable[[str], str]) -> Html:
    sides = [(measured, "ours"), *([(baseline["metrics"][kind], "theirs")] if baseline else [])]
    rows = [
        (float(side["value"]), float(side["low"]), float(side["high"]), class_)
        for side, class_ in sides
        if None not in (side["value"], side["low"], side["high"])
    ]
    if not rows:
        return Html()
    least, most = min(low for _value, low, _high, _class in rows), max(high for _value, _low, high, _class in rows)
    room = (most - least) * 0.15 or 0.01
    left, right = least - room, most + room
    if most <= 1 and least >= 0:  # shares: the same scale of at least 0.2 for every metric
        right = min(1.0, max(right, least + 0.2))
        left = max(0.0, min(left, right - 0.2))
    return intervals(rows, left, right, metric_name(kind, _))


def _bar(value: float) -> Html:
    share = min(1.0, max(0.0, value))
    return element("td", element("span", number(value)), class_="number share", style=f"--share:{share:.3f}")
