"""Fields of tasks that hold numbers of tokens, which others have once a vocabulary has become smaller."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from danlu.task.task import Task

Renumbered = TypeVar("Renumbered", bound=Task)


class Numbers:
    """Marks such a field: `ends: Annotated[tuple[int, ...], NUMBERS]`; it holds one number, several, or none."""


NUMBERS = Numbers()


def numbers_in(task: Task) -> set[int]:
    """The tokens that the fields of a task name."""
    return {number for _, value in _fields(task) for number in (value if isinstance(value, tuple) else (value,))}


def renumbered(task: Renumbered, moved: Mapping[int, int]) -> Renumbered:
    """The task with the numbers that the tokens it names were `moved` to; those that are gone are named no more."""
    found = {
        name: tuple(moved[number] for number in value if number in moved)
        if isinstance(value, tuple)
        else moved.get(value)
        for name, value in _fields(task)
    }
    return task.model_copy(update=found)


def _fields(task: Task) -> Iterator[tuple[str, int | tuple[int, ...]]]:
    for name, field in type(task).model_fields.items():
        value = getattr(task, name)
        if value is not None and any(isinstance(mark, Numbers) for mark in field.metadata):
            yield name, value
