"""What to say where data do not fit a task, with the command that mends it."""

import shlex
from collections.abc import Mapping
from typing import Any

from danlu.apps.guessing.columns import Column, best, others, shape_of
from danlu.apps.guessing.files import Given
from danlu.apps.guessing.look import Unfit, read
from danlu.data.reading.guess import SUFFIXES
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
        known = any(name.lower().endswith(tuple(SUFFIXES)) for name in (data, given.shown))
        return (
            failed.why
            if known
            else f"{failed.why}; or name its kind (danlu list format): {command(kind, data, 'kind=csv')}"
        )
    columns = ", ".join(f"{number} '{c.name}'{_value(c)}" for number, c in enumerate([*failed.there.values()][:_MOST]))
    columns += ", ..." if len(failed.there) > _MOST else ""
    told = f"{given.shown}: the task {kind} needs {_needs(task)}, and read as {failed.settings['kind']} the columns are"
    told += f", from 0, {columns}"
    if failed.why:
        told += f" (and of some rows: {failed.why})"
    other, learns_labels = other_task(task, given, stated)
    plain = all(shape_of(task, name)[0] != "structure" for name in task.columns)
    if plain and not learns_labels and 1 < len(task.columns) <= len(failed.there):
        return f"{told}; say which is which, by number or by name: {command(kind, data, *_placed(task, failed.there))}"
    if other:
        what = "such data" if learns_labels else "data without labels"
        return f"{told}; {what} suit the task {other}: {command(other, data)}"
    return f"{told}; give data that have them, or choose another task (danlu list task)"


def _placed(task: type[Task], there: Mapping[str, Column]) -> list[str]:
    """Settings that name a column for each of the task, guessed where that can be."""
    names, taken = list(there), set[str]()
    found = []
    for column in task.columns:
        free = [name for name in names if name not in taken]
        likely = best(task, column, there, taken, by_name=True) or best(task, column, there, taken, by_name=False)
        name = likely or free[-1]
        taken.add(name)
        found.append(f"{column}={names.index(name)}")
    return found


def other_task(task: type[Task], given: Given, stated: Mapping[str, Any]) -> tuple[str | None, bool]:
    """The task that such data suit, and whether it learns from more than text alone, as is preferred."""
    suited: list[tuple[bool, int, str]] = []  # what learns from more of the columns goes first
    for kind in kinds(Task):
        other = find(Task, kind)  # type: ignore[type-abstract]
        if other is not task:
            try:
                taken = read(other, given, stated, {}).columns
            except (Unfit, Refusal):
                continue
            shapes = {name: shape_of(other, name)[0] for name in taken}
            doubtful = [name for name, shape in shapes.items() if shape == "number"]  # or one of years, or of keys
            doubtful += [name for name, shape in shapes.items() if shape == "text" and name != "text"]
            if all(taken[name] == name for name in doubtful if name in other.columns):
                suited.append(([*other.columns] == ["text"], -len(taken), kind))
    if not suited:
        return None, False
    text_alone, _, kind = min(suited)
    return kind, not text_alone


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


def reserved(name: str) -> None:
    """Refuse a name that a recipe would take for a stage, as it does where one stands alone."""
    if name.startswith("@"):
        raise Refusal(f"the name '{name}' begins with @, which means a stage in recipes; rename it in the data")
