"""The confusion matrix: which label is taken for which."""

from collections.abc import Callable
from typing import Any

from danlu.evaluate.pages.markup import Html, element, figure, table

LABELS = 20  # of a matrix that can still be read


def confusion_section(scores: dict[str, Any], _: Callable[[str], str]) -> Html:
    """Shaded by the share of the row; the most frequent labels where there are many; nothing without a matrix."""
    found = scores.get("confusion")
    if not found:
        return Html()
    names, matrix = found["labels"], found["matrix"]
    order = list(range(len(names)))
    if len(names) > LABELS:
        order = sorted(order, key=lambda row: -sum(matrix[row]))[:LABELS]
    corner = element("span", _("truth ↓ answer →"), class_="quiet")
    rows: list[list[object]] = []
    for row in order:
        total = sum(matrix[row]) or 1
        cells = [_cell(matrix[row][column], matrix[row][column] / total, row == column) for column in order]
        rows.append([element("th", names[row], scope="row", dir="auto"), *cells])
    said = _("what is taken for what: counts, shaded by their share of the row")
    if len(names) > LABELS:
        said = _("the {count} most frequent labels: counts, shaded by their share of the row").format(count=LABELS)
    return figure(said, table([corner, *(names[column] for column in order)], rows, class_="confusion"))


def _cell(count: int, share: float, right: bool) -> Html:
    class_ = ("right" if right else "wrong") + (" dark" if share > 0.6 else "")
    return element("td", f"{count:,}", class_=f"number {class_}", style=f"--share:{share:.3f}", title=f"{share:.1%}")
