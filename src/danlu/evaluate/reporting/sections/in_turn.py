"""Tasks that were learnt one after the other: a matrix a remedy, coloured by how good each score is."""

from collections.abc import Callable
from typing import Any

from danlu.evaluate.pages.markup import Html, cell, element, figure, table, together
from danlu.evaluate.reporting.learnt_in_turn import (
    columns,
    explained,
    matrix_of,
    summary_rows,
    task_in_words,
)
from danlu.evaluate.reporting.wording import number


def in_turn(found: dict[str, Any], _: Callable[[str], str]) -> Html:
    """The remedies beside each other, and the matrix of each."""
    head: list[object] = [_("remedy"), *(title for title, _key in columns(_))]
    rows: list[list[object]] = [
        [element("th", name, scope="row"), *map(cell, cells)] for name, *cells in summary_rows(found, _)
    ]
    said = _("scenario: {scenario}; the bundles are those of {remedy}").format(
        scenario=found["scenario"], remedy=found["serves"]
    )
    shown = [figure(said, table(head, rows, class_="labels")), element("p", explained(_), class_="quiet")]
    return together(*shown, *(_matrix(name, told, found, _) for name, told in found["remedies"].items()))


def _matrix(name: str, told: dict[str, Any], found: dict[str, Any], _: Callable[[str], str]) -> Html:
    head: list[object] = [name, *(task_in_words(each, task, _) for each, task in found["tasks"].items())]
    borders = [_borders(found, place) for place in range(len(found["tasks"]))]
    rows: list[list[object]] = []
    for after, values in matrix_of(told, _):
        cells = [_heat(value, *border) for value, border in zip(values, borders, strict=True)]
        rows.append([element("th", after, scope="row"), *cells])
    said = _("{remedy}: each row after a task, each column a task").format(remedy=name)
    return figure(said, table(head, rows, class_="labels heat"))


def _borders(found: dict[str, Any], place: int) -> tuple[float, float]:
    """The worst and the best score of a task under any remedy, which colours are measured by."""
    values = [row[place] for told in found["remedies"].values() for row in told["matrix"] if row[place] is not None]
    higher = list(found["tasks"].values())[place]["higher_is_better"]
    low, high = min(values, default=0.0), max(values, default=0.0)
    return (low, high) if higher else (high, low)


def _heat(value: float | None, worst: float, best: float) -> Html:
    share = 0.0 if value is None or best == worst else (value - worst) / (best - worst)
    return element("td", number(value), class_="number warm", style=f"--share:{share:.3f}")
