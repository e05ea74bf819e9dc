"""What a training is validated on, looked at before its first step."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TypeVar

from danlu.data.record import Record
from danlu.model.source import Say
from danlu.refusal import Refusal
from danlu.stages.ready import Prepared
from danlu.task.sentence_pairs import SentencePairs
from danlu.task.task import Task
from danlu.task.windowed import Windowed
from danlu.text.batching.encoded import Encoded
from danlu.train.settings import Training

Some = TypeVar("Some", bound=Task)


def told_of_cuts(task: Task, settings: Training, limit: int) -> str | None:
    """A sentence where texts are cut into shorter windows than the task was told."""
    room = 0 if settings.batch_examples else settings.batch_tokens
    if not isinstance(task, Windowed) or str(task.too_long) != "split" or not task.max_length:
        return None
    if not 0 < room < min(task.max_length, limit):
        return None
    return (
        f"texts longer than {room:,} tokens, which are all of 'batch_tokens', are cut there, and not at the task's "
        f"'max_length' {task.max_length:,}; raise 'batch_tokens' for longer rows"
    )


def as_looked_at(prepared: Prepared, settings: Training) -> Prepared:
    """With the task as it is validated: long texts are cut into windows where those that are learnt are."""
    return replace(prepared, task=cut_as_learnt(prepared.task, settings))


def cut_as_learnt(task: Some, settings: Training) -> Some:
    """The task with long texts cut into windows where a batch of what is learnt ends."""
    room = 0 if settings.batch_examples else settings.batch_tokens
    return task.cut_at(room) if isinstance(task, Windowed) else task


def askable(validation: list[Record], prepared: Prepared, limit: int, say: Say) -> list[Record]:
    """The validation records that an answer can be written to; where rows that do not fit are dropped, without those.

    Raises:
        Refusal: there is no room for an answer to one, and nothing says that it may be left out.
    """
    task, tokenizer = prepared.task, prepared.tokenizer
    if task.answers_by != "generate":
        return validation
    if str(task.too_long) != "drop":
        with _of_validation():
            task.encode(validation, tokenizer, limit, labelled=False)
        return validation
    kept = []
    for record in validation:
        with suppress(Refusal):
            task.encode([record], tokenizer, limit, labelled=False)
            kept.append(record)
    if len(kept) < len(validation):
        say(
            f"validation: {len(validation) - len(kept):,} of {len(validation):,} records are left out, for what they "
            f"ask leaves no room for an answer in a row of {min(limit, task.max_length or limit):,} tokens"
        )
    return kept


def encoded_to_validate(validation: list[Record], prepared: Prepared, limit: int) -> list[Encoded]:
    """The rows of what will be validated on, so that what cannot be is told now, not after an epoch.

    Raises:
        Refusal: one of these records does not suit the task, or has no truth to compare with.
    """
    with _of_validation():
        for number, record in enumerate(validation):
            prepared.task.gold(record, number)
        return prepared.task.encode(validation, prepared.tokenizer, limit, labelled=True)


def encoded_as_asked(validation: list[Record], prepared: Prepared, limit: int) -> list[Encoded]:
    """The rows of the same as they are asked, where other columns or texts are read then than are learnt from."""
    task = prepared.task
    otherwise = set(task.reads) - set(task.columns) or isinstance(task, SentencePairs)
    if task.answers_by == "generate" or not otherwise:
        return []
    with _of_validation():
        return task.encode(validation, prepared.tokenizer, limit, labelled=False)


@contextmanager
def _of_validation() -> Iterator[None]:
    """Say of a refusal that it is of the validation data."""
    try:
        yield
    except Refusal as refusal:
        raise Refusal(f"validation data, {refusal}") from None
