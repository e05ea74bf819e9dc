"""Where the errors are: slices that are weaker than the rest, and every kind of slice but words."""

from collections.abc import Callable
from typing import Any

from danlu.evaluate.pages.markup import Html, cell, element, figure, table, together
from danlu.evaluate.reporting.judged import measure_name, slice_name, weak_in_words, weak_rows
from danlu.evaluate.reporting.wording import between, number
from danlu.evaluate.scoring.weakest import kinds_told

ROWS = 40  # of a kind that are shown at once


def slices_section(scores: dict[str, Any], _: Callable[[str], str]) -> Html:
    """What stands under `slices`; nothing where none was looked at."""
    found = scores.get("slices")
    if not found:
        return Html()
    return together(_weak(found, _), *(_kind(found, told, _) for told in kinds_told(found).values()))


def _weak(found: dict[str, Any], _: Callable[[str], str]) -> Html:
    said = weak_in_words(found, _)
    if not found["weak"]:
        return element("p", said, class_="quiet")
    head, *rows = weak_rows(found, _)
    shown: list[list[object]] = [
        [element("th", name, scope="row", dir="auto"), *map(cell, values)] for name, *values in rows
    ]
    return figure(said, table(list(head), shown, class_="labels"))


def _kind(found: dict[str, Any], told: list[dict[str, Any]], _: Callable[[str], str]) -> Html:
    names = {
        "length": _("by length"),
        "script": _("by script"),
        "label": _("by label"),
        "rare": _("by rare words: those that two texts hold, or one"),
        "column": _("by the column {column}"),
    }
    kind = told[0]["kind"]
    title = names[kind].format(column=told[0].get("column", ""))
    highest = max(abs(each["value"]) for each in told) or 1.0
    rows: list[list[object]] = [
        [
            element("th", slice_name(each, _), scope="row", dir="auto"),
            cell(f"{each['records']:,}"),
            element(
                "td",
                element("span", number(each["value"])),
                class_="number share",
                style=f"--share:{min(1.0, abs(each['value']) / highest):.3f}",
            ),
            cell(between(each)),
        ]
        for each in told[:ROWS]
    ]
    head: list[object] = ["", _("records"), measure_name(found, _), _("interval (95 %)")]
    return element("details", element("summary", title), table(head, rows, class_="labels"))
