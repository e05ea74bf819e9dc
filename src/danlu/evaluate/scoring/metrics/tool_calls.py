"""Calls of tools: the share of answers that call what the right one calls (Patil et al., 2023)."""

import json
from collections.abc import Iterable
from typing import ClassVar

from danlu.data.reading.call_lines import calls_in
from danlu.evaluate.scoring.metric import MeanMetric
from danlu.evaluate.scoring.side import Side


class ToolCalls(MeanMetric):
    """Share of answers with the calls of the right one: the same names and arguments in any order, or none as it.

    What is said beside the calls does not count.
    """

    bounds: ClassVar[tuple[float, float] | None] = (0.0, 1.0)

    forms: ClassVar[tuple[str, ...]] = ("text",)

    def of_each(self, side: Side) -> Iterable[float]:
        """1 where it calls the same as one of the right texts, else 0."""
        for truths, (answer,) in zip(side.gold, side.values, strict=True):
            called = _spelled(answer)
            yield float(any(called == _spelled(truth) for truth in truths))


def _spelled(text: str) -> list[str]:
    """The calls in one form and order; true and 1 are two values, as in JSON."""
    return sorted(json.dumps(call, sort_keys=True) for call in calls_in(text))
