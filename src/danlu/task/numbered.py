"""What of tasks holds numbers of tokens, which others have once a vocabulary has become smaller."""

from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from danlu.model.ends import number_in, token_of
from danlu.model.policy import Policy
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import Tokenizer

Renumbered = TypeVar("Renumbered", bound=Task)


class Numbers:
    """Marks such a field: `ends: Annotated[tuple[int, ...], NUMBERS]`; it holds one number, several, or none."""


NUMBERS = Numbers()


def numbers_in(task: Task, tokenizer: Tokenizer, vocabulary: int) -> set[int]:
    """The tokens that a task and its policy name, of a network with so many; the policy may name them by their texts.

    Raises:
        Refusal: the policy names a token that there is not.
    """
    named = {number for _, value in _fields(task) for number in (value if isinstance(value, tuple) else (value,))}
    return named | {
        token_of(name, tokenizer, vocabulary) for _, policy in _policies(task) for name in policy.logit_bias
    }


def renumbered(task: Renumbered, moved: Mapping[int, int]) -> Renumbered:
    """The task with the numbers that the tokens it names were `moved` to; those that are gone are named no more."""
    found: dict[str, Any] = {
        name: tuple(moved[number] for number in value if number in moved)
        if isinstance(value, tuple)
        else moved.get(value)
        for name, value in _fields(task)
    }
    for field, policy in _policies(task):
        bias = {new: value for name, value in policy.logit_bias.items() if (new := _renamed(name, moved))}
        found[field] = policy.model_copy(update={"logit_bias": bias})
    return task.model_copy(update=found)


def _renamed(name: str, moved: Mapping[int, int]) -> str | None:
    """How a policy names a token now; None where it is gone, as a row is that no token has."""
    number = number_in(name)
    if number is None:
        return name
    return f"#{moved[number]}" if number in moved else None


def _policies(task: Task) -> Iterator[tuple[str, Policy]]:
    """Those that name tokens."""
    for name in type(task).model_fields:
        if isinstance(value := getattr(task, name), Policy) and value.logit_bias:
            yield name, value


def _fields(task: Task) -> Iterator[tuple[str, int | tuple[int, ...]]]:
    for name, field in type(task).model_fields.items():
        value = getattr(task, name)
        if value is not None and any(isinstance(mark, Numbers) for mark in field.metadata):
            yield name, value
