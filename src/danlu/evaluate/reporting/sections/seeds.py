"""Results of one recipe with several seeds: how far they spread."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from danlu.evaluate.pages.markup import Html, cell, element, figure, table
from danlu.evaluate.reporting.wording import in_columns, metric_name, number
from danlu.language import translator
from danlu.recipe import lock

NAME = "seeds.json"

_SHOWN = ("mean", "std", "min", "max")


def seeds_section(run_folder: Path, _: Callable[[str], str]) -> Html:
    """A table of the spread; nothing where the results that bear the stages' names are not the best of the seeds."""
    try:
        told = json.loads((run_folder / NAME).read_text(encoding="utf-8"))
        names = told["fingerprints"]
        locks = {name: lock.load(run_folder / name) for name in names}
        if any(found is None or found.fingerprint != names[name] for name, found in locks.items()):
            return Html()
        rows: list[list[object]] = [
            [element("th", stage, scope="row"), metric_name(metric, _), *(cell(number(values[key])) for key in _SHOWN)]
            for stage, metrics in told["metrics"].items()
            for metric, values in metrics.items()
        ]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):  # none there, or not ours
        return Html()
    return figure(_head(told, _), table(["", "", *_names(_)], rows))


def seeds_in_words(told: dict[str, Any], language: str) -> list[str]:
    """What a `seeds.json` holds as lines of a small table."""
    _ = translator(language)
    rows = [["", "", *_names(_)]]
    for stage, metrics in told["metrics"].items():
        for metric, values in metrics.items():
            rows.append([stage, metric_name(metric, _), *(number(values[key]) for key in _SHOWN)])
    return [_head(told, _), *in_columns(rows)]


def _names(_: Callable[[str], str]) -> list[str]:
    return [_("mean"), _("standard deviation"), _("lowest"), _("highest")]


def _head(told: dict[str, Any], _: Callable[[str], str]) -> str:
    words = _("{count} seeds, from {first} on; the best on validation ({chosen_by}) is {best}")
    seeds = told["seeds"]
    return words.format(count=len(seeds), first=seeds[0], chosen_by=told["chosen_by"], best=told["best"])
