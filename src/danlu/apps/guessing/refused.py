"""What to say where data do not fit a task, with the command that mends it."""

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from danlu.apps.guessing.columns import Column, others, shape_of
from danlu.apps.guessing.files import Given
from danlu.apps.guessing.look import Unfit, read
from danlu.recipe.part import find, kind_of, kinds
from danlu.refusal import Refusal
from danlu.task.task import Task

_SHOWN = 24  # characters of a value
_MOST = 12  # columns


def command(task: str, data: str, *settings: str) -> str:
    """The command that guesses again, with what is known better."""
    return shlex.join(["danlu", "init", task, data, *settings])


def sentence(task: type[Task], data: str, given: Given, failed: Unfit, stated: Mapping[str, Any]) -> str:
    """Why the data do not fit the task, and the likeliest way on."""
    kind = kind_of(task)
    if not failed.there:
        return f"{failed.why}; or name its format: {command(kind, data, 'kind=csv')}"
    columns = ", ".join(f"{number} '{c.name}'{_value(c)}" for number, c in enumerate([*failed.there.values()][:_MOST]))
    columns += ", ..." if len(failed.there) > _MOST else ""
    told = f"{given.shown}: the task {kind} needs {_needs(task)}, and read as {failed.settings['kind']} the columns are"
    told += f", from 0, {columns}"
    if failed.why:
        told += f" (and of some rows: {failed.why})"
    if other := other_task(task, given, stated):
        what = "data without labels" if find(Task, other).reads_tokens else "such data"  # type: ignore[type-abstract]
        return f"{told}; {what} suit the task {other}: {command(other, data)}"
    wanted = [name for name in task.columns if shape_of(task, name)[0] != "structure"]
    free = list(failed.there)
    settings = [f"{name}={number}" for name, number in zip(wanted, range(len(free)), strict=False)]
    if len(free) >= len(task.columns) and len(wanted) == len(task.columns):
        return f"{told}; say which is which, by number or by name: {command(kind, data, *settings)}"
    return f"{told}; give data that have them, or choose another task (danlu list task)"


def other_task(task: type[Task], given: Given, stated: Mapping[str, Any]) -> str | None:
    """The task that such data suit: one that learns from labels rather than from text alone."""
    suited = []
    for kind in kinds(Task):
        other = find(Task, kind)  # type: ignore[type-abstract]
        if other is not task:
            try:
                read(other, given, stated, {})
            except (Unfit, Refusal):
                continue
            suited.append((other.reads_tokens, kind))
    return min(suited)[1] if suited else None


def one_label(task: type[Task], data: str, label: str, column: str, columns: Mapping[str, Column]) -> str:
    """That all rows have one label, and which columns could be meant instead."""
    free = [name for name in others(task, "label", columns, [column]) if columns[name].distinct > 1]
    instead = f"; name the column that is meant: {command(kind_of(task), data, f'label={free[0]}')}" if free else ""
    return f"{data}: '{column}' holds only the label '{label}', and two are needed{instead or '; give rows of others'}"


def _needs(task: type[Task]) -> str:
    return " and ".join(f"'{name}' ({what})" for name, what in task.columns.items())


def _value(column: Column) -> str:
    value = str(column.values[0]) if column.values else "empty"
    return f" ({value[:_SHOWN]}{'…' if len(value) > _SHOWN else ''})"


def reserved(names: Sequence[str]) -> None:
    """Refuse names that a recipe would take for stages."""
    wrong = next((name for name in names if name.startswith("@")), None)
    if wrong is not None:
        raise Refusal(f"the name '{wrong}' begins with @, which means a stage in recipes; rename it in the data")
