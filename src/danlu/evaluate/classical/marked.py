"""Between the records of a task and the marks of a classical tagger."""

from collections.abc import Sequence
from typing import Any

from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.entities import read_text
from danlu.task.task import Prediction, Task
from danlu.text.tagging.units import Border, Mark, marks, units


def prediction(text: str, places: Sequence[Border], found: Sequence[Mark]) -> Prediction:
    """The entities that marks stand for, as the task `tag` predicts them."""
    entities: list[dict[str, Any]] = []
    for (start, end), (label, joined) in zip(places, found, strict=True):
        if label is None:
            continue
        if joined and entities:
            entities[-1] |= {"end": end}
        else:
            entities.append({"start": start, "end": end, "label": label})
    return {"entities": [each | {"text": text[each["start"] : each["end"]]} for each in entities]}


def marked(task: Task, records: Sequence[Record], name: str) -> list[list[Mark]]:
    """The marks of the truth of each training record.

    Raises `Refusal` if there are no records; `name` is the baseline's.
    """
    truths = [task.gold(record, number) for number, record in enumerate(records)]
    if not truths:
        raise Refusal(f"There are no training records, and the baseline '{name}' learns from them; look at the split.")
    texts = [read_text(record, row) for row, record in enumerate(records)]
    return [marks(units(text), truth) for text, truth in zip(texts, truths, strict=True)]
