"""What a `continual.json` holds, as lines of a terminal: a matrix for each remedy, and what all of them say."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from danlu.evaluate.reporting.wording import in_columns, metric_name, number, signed
from danlu.language import translator


def in_turn_in_words(found: dict[str, Any], language: str) -> list[str]:
    """The scores of each task after each, and averages, forgetting and transfer of each remedy."""
    _ = translator(language)
    lines = []
    for name, told in found["remedies"].items():
        head = [name, *(task_in_words(each, found["tasks"][each], _) for each in found["tasks"])]
        rows = [[after, *map(number, values)] for after, values in matrix_of(told, _)]
        lines += in_columns([head, *rows])
    lines += in_columns([["", *(title for title, _key in columns(_))], *summary_rows(found, _)])
    return [*lines, explained(_)]


def matrix_of(told: dict[str, Any], _: Callable[[str], str]) -> list[tuple[str, list[float | None]]]:
    """Each row of a remedy: where it stands in the sequence, and its values."""
    learnt = [row["after"] for row in told["rows"]]
    words = [_("before any task")]
    for before, after in pairwise(learnt):
        together = len(after) > len(before) + 1
        words.append(_("after all at once") if together else _("after {task}").format(task=after[-1]))
    return list(zip(words, told["matrix"], strict=True))


def columns(_: Callable[[str], str]) -> list[tuple[str, str]]:
    """What is told of each remedy: its title, and its key."""
    return [
        (_("average"), "average"),
        (_("beside joint"), "beside_joint"),
        (_("forgetting"), "forgetting"),
        (_("backward transfer"), "backward"),
        (_("forward transfer"), "forward"),
    ]


def summary_rows(found: dict[str, Any], _: Callable[[str], str]) -> list[list[str]]:
    """A row a remedy; the average as it is, all else with its sign."""
    rows = []
    for name, told in found["remedies"].items():
        cells = [number(told[key]) if key == "average" else signed(told[key]) for _title, key in columns(_)]
        rows.append([name, *cells])
    return rows


def task_in_words(name: str, told: dict[str, Any], _: Callable[[str], str]) -> str:
    """A task with its metric, and an arrow down where lower is better."""
    return f"{name}: {metric_name(told['metric'], _)}" + ("" if told["higher_is_better"] else " ↓")


def explained(_: Callable[[str], str]) -> str:
    """What the numbers mean."""
    return _(
        "forgetting: how much worse than at its best a task is in the end (small is good); backward transfer: how much "
        "better than when it was learnt; forward transfer: how much better right before it is learnt than before any "
        "task; whatever the metric, plus means better in the last two"
    )
