"""What is explained of tasks that answer for a whole text: a label, one of several, a number, a relation."""

from collections.abc import Sequence
from dataclasses import replace

from torch import Tensor

from danlu.data.labels import known_label
from danlu.data.record import Record
from danlu.explain.aim import Aim, Said, log_odds
from danlu.explain.inside import Inside
from danlu.explain.rows import Wanted, answer_of, found_in, nearest_of, windows_of
from danlu.task.columns import text_in
from danlu.task.one_label import OneLabel
from danlu.task.pairs import pair_in
from danlu.task.task import Task
from danlu.task.tasks.multilabel import Multilabel
from danlu.task.tasks.regress import Regress
from danlu.task.tasks.relate import Relate
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded


def aims_of_label(inside: Inside, record: Record, wanted: Wanted) -> list[Aim]:
    """The log-odds of the label that a text gets, or of another one."""
    task = inside.task
    assert isinstance(task, OneLabel)
    wanted.refuse_at(task)
    texts = {"text": pair_in(record, 0).text} if isinstance(task, Relate) else texts_of(task, record)
    windows = windows_of(inside, record)
    told = answer_of(inside, windows, record)
    number = _number(wanted.target or str(told["label"]), task.labels, task.label_means)
    heat = getattr(task, "temperature", None) or 1.0  # so that it is the probability that is told

    def of(said: Said, _: Batch) -> Tensor:
        return log_odds(task.logits(said) / heat, number)

    name = task.labels[number]
    aim = Aim(name, "log-odds", windows[0], texts, (), of, whole=told["scores"][name])
    return [_of_a_piece(inside, windows, _said_of(inside, windows), aim)]


def aims_of_labels(inside: Inside, record: Record, wanted: Wanted) -> list[Aim]:
    """The log-odds of each label that a text gets, of the likeliest where it gets none, or of another one."""
    task = inside.task
    assert isinstance(task, Multilabel)
    wanted.refuse_at(task)
    texts, windows = texts_of(task, record), windows_of(inside, record)
    told = answer_of(inside, windows, record)
    likeliest = max(task.labels, key=lambda label: told["scores"][label])
    labels = [wanted.target] if wanted.target else told["labels"] or [likeliest]
    heat, pieces = task.temperature or 1.0, _said_of(inside, windows)

    def aim(label: str) -> Aim:
        number = _number(label, task.labels, "label")
        name, whole = task.labels[number], told["scores"][task.labels[number]]

        def of(said: Said, _: Batch) -> Tensor:
            return said["logits"][:, number].float() / heat

        return _of_a_piece(inside, windows, pieces, Aim(name, "log-odds", windows[0], texts, (), of, whole=whole))

    return [aim(label) for label in labels]


def aims_of_number(inside: Inside, record: Record, wanted: Wanted) -> list[Aim]:
    """The number that is said of a text, in the unit of the data."""
    task = inside.task
    assert isinstance(task, Regress)
    wanted.refuse_at(task)
    wanted.refuse_target(task, "says one number")
    texts, windows = texts_of(task, record), windows_of(inside, record)
    scale, mean = task.deviation or 1.0, task.mean
    whole = float(answer_of(inside, windows, record)["number"])

    def of(said: Said, _: Batch) -> Tensor:
        return mean + scale * said["logits"][:, 0].float()

    aim = Aim("score", "number", windows[0], texts, (), of, whole=whole)
    return [_of_a_piece(inside, windows, _said_of(inside, windows), aim)]


def texts_of(task: Task, record: Record) -> dict[str, str]:
    """The texts that a task reads of a record, in the order in which they stand in a row."""
    return {column: text_in(record, 0, column) for column in task.reads}


def _said_of(inside: Inside, windows: Sequence[Encoded]) -> list[tuple[Said, Batch]]:
    """What the model says of each piece of a text; nothing of a text that is read at once."""
    batches = [inside.batch(window, window.row.input_ids[None]) for window in windows if len(windows) > 1]
    return [(inside.said(batch), batch) for batch in batches]


def _of_a_piece(inside: Inside, windows: Sequence[Encoded], pieces: Sequence[tuple[Said, Batch]], aim: Aim) -> Aim:
    """The aim at the row of a text; of several pieces at the one of which the number is highest."""
    item, whole = aim.item, aim.whole
    if not pieces:
        whole = None
    else:
        values = [float(aim.of(said, batch)[0]) for said, batch in pieces]
        item = windows[values.index(max(values))]
    return replace(aim, item=item, tokens=found_in(item, aim.texts, inside.tokenizer), whole=whole)


def _number(label: str, labels: tuple[str, ...], means: str) -> int:
    known = known_label(label, labels)
    if known is None:
        raise nearest_of(label, labels, means)
    return labels.index(known)
