"""What a training has left of what the model knew before."""

from collections.abc import Callable, Mapping
from typing import Any

from danlu.evaluate.pages.markup import Html, cell, figure, table
from danlu.evaluate.reporting.wording import metric_name, number


def retained(found: Mapping[str, Mapping[str, Any]], _: Callable[[str], str]) -> Html:
    """A table of a `retained.json`; nothing of one that no training has finished."""
    rows: list[list[object]] = [
        [name, metric_name(each["metric"], _), *(cell(number(each[key])) for key in ("before", "after", "forgetting"))]
        for name, each in found.items()
        if "after" in each
    ]
    heads: list[object] = ["", _("metric"), _("before"), _("after"), _("forgotten")]
    said = _("What the model knew already: lost are points of the metric, or the share by which perplexity has risen")
    return figure(said, table(heads, rows)) if rows else Html()
