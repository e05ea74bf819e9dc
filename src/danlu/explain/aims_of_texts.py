"""What is explained of tasks that answer for a whole text: a label, one of several, a number, a relation."""

from danlu.data.labels import known_label
from danlu.data.record import Record
from danlu.explain.aim import Aim, log_odds
from danlu.explain.inside import Inside
from danlu.explain.rows import Wanted, answer_of, found_in, nearest_of, windows_of
from danlu.task.columns import text_in
from danlu.task.one_label import OneLabel
from danlu.task.pairs import pair_in
from danlu.task.task import Task
from danlu.task.tasks.multilabel import Multilabel
from danlu.task.tasks.regress import Regress
from danlu.task.tasks.relate import Relate


def aims_of_label(inside: Inside, record: Record, wanted: Wanted) -> list[Aim]:
    """The log-odds of the label that a text gets, or of another one."""
    task = inside.task
    assert isinstance(task, OneLabel)
    wanted.refuse_at(task)
    texts = {"text": pair_in(record, 0).text} if isinstance(task, Relate) else texts_of(task, record)
    windows = windows_of(inside, record)
    label = wanted.target or str(answer_of(inside, windows, record)["label"])
    number = _number(label, task.labels, task.label_means)
    item, heat = windows[0], getattr(task, "temperature", None) or 1.0  # so that it is the probability that is told
    return [
        Aim(
            target=task.labels[number],
            unit="log-odds",
            item=item,
            texts=texts,
            tokens=found_in(item, texts, inside.tokenizer),
            of=lambda said, _: log_odds(task.logits(said) / heat, number),
        )
    ]


def aims_of_labels(inside: Inside, record: Record, wanted: Wanted) -> list[Aim]:
    """The log-odds of each label that a text gets, of the likeliest where it gets none, or of another one."""
    task = inside.task
    assert isinstance(task, Multilabel)
    wanted.refuse_at(task)
    texts, windows = texts_of(task, record), windows_of(inside, record)
    told = answer_of(inside, windows, record)
    likeliest = max(task.labels, key=lambda label: told["scores"][label])
    labels = [wanted.target] if wanted.target else told["labels"] or [likeliest]
    item, heat = windows[0], task.temperature or 1.0
    tokens = found_in(item, texts, inside.tokenizer)

    def aim(label: str) -> Aim:
        number = _number(label, task.labels, "label")
        name = task.labels[number]
        return Aim(name, "log-odds", item, texts, tokens, lambda said, _: said["logits"][:, number].float() / heat)

    return [aim(label) for label in labels]


def aims_of_number(inside: Inside, record: Record, wanted: Wanted) -> list[Aim]:
    """The number that is said of a text, in the unit of the data."""
    task = inside.task
    assert isinstance(task, Regress)
    wanted.refuse_at(task)
    wanted.refuse_target(task, "says one number")
    texts, (item, *_) = texts_of(task, record), windows_of(inside, record)
    scale, mean = task.deviation or 1.0, task.mean
    tokens = found_in(item, texts, inside.tokenizer)
    return [Aim("score", "number", item, texts, tokens, lambda said, _: mean + scale * said["logits"][:, 0].float())]


def texts_of(task: Task, record: Record) -> dict[str, str]:
    """The texts that a task reads of a record, in the order in which they stand in a row."""
    return {column: text_in(record, 0, column) for column in task.reads}


def _number(label: str, labels: tuple[str, ...], means: str) -> int:
    known = known_label(label, labels)
    if known is None:
        raise nearest_of(label, labels, means)
    return labels.index(known)
