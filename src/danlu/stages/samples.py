"""What a model has written of a few validation records, at each validation: `samples.jsonl` in the stage's folder.

A task that answers by writing has written them anyway; a language model goes on with their beginnings, greedily, and
only while that takes next to no time. Nothing is drawn, and nothing that a training holds is changed, so its bits are
the same.
"""

import json
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from danlu.data.record import Record, text_of
from danlu.engine.predict import Predictor
from danlu.machine.files import full_disk_refused, write_text
from danlu.model.policy import Policy
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.task import Prediction, Task
from danlu.train.events import Event, Leave, Returned, Validated, Watch

NAME = "samples.jsonl"

RECORDS = 3
"""Validation records of which it is kept what was written."""

LINES = 200
"""Validations in the file at most; of more, every second one stays."""

LONGEST = 1000
"""Characters of a text that are kept."""

TOKENS, BEGINNING = 32, 60
"""What a language model writes, and characters of a text that it goes on with, or half of it."""

SHARE = 0.02
"""Of the time so far that a language model may write."""


@dataclass
class Samples:
    """The samples of one training: taken while it is validated, written down once it is known at which step."""

    folder: Path
    writes: bool
    _taken: list[dict[str, Any]] = field(default_factory=list)
    _begun: float = field(default_factory=time.monotonic)
    _spent: float = 0.0

    def seen(self, task: Task, records: Sequence[Record], predictions: Iterable[Prediction]) -> Iterator[Prediction]:
        """The predictions of a validation, as they are; the first ones are remembered where they are written texts."""
        self._taken = []
        found = iter(predictions)
        if task.answers_by == "generate":
            for record, prediction in zip(records[:RECORDS], islice(found, RECORDS), strict=False):
                truth = task.form.plain(task.gold(record)) if self._has_truth(task, record) else None
                self._take(text_of(record), " ".join(task.form.short(prediction)), truth)
                yield prediction
        yield from found

    def write(self, predictor: Predictor, records: Sequence[Record]) -> None:
        """Let a language model go on with the beginnings of some records."""
        if not self.writes or self._spent > SHARE * (time.monotonic() - self._begun):
            return
        begun = time.monotonic()
        texts = [text for text in map(text_of, records[:RECORDS]) if len(text) > 1]  # half of it is a beginning
        halves = [(text[:cut], text[cut:]) for text in texts for cut in [min(len(text) // 2, BEGINNING)]]
        policy = find(Policy, "greedy")(max_new_tokens=TOKENS)  # type: ignore[type-abstract]
        with suppress(Refusal):  # no room in a row, say: a training does not end for that
            given = [{"text": beginning} for beginning, _ in halves]
            for (beginning, rest), written in zip(halves, predictor.write(given, policy), strict=False):
                self._take(beginning, written[0].text, rest)
        self._spent += time.monotonic() - begun

    def watching(self, watch: Watch) -> Watch:
        """What looks at the events of a training as `watch` does, and writes the samples down as they come."""

        def look(event: Event) -> Leave | None:
            if isinstance(event, Validated) and self._taken:
                self._add({"step": event.line["step"], "samples": self._taken})
                self._taken = []
            if isinstance(event, Returned):
                self.keep_up_to(event.step)
            return watch(event)

        return look

    def keep_up_to(self, step: int) -> None:
        """Keep what was written up to a step, where the training goes on from there."""
        path = self.folder / NAME
        if path.is_file():
            write_text(path, "".join(f"{line}\n" for line in _lines(path) if _step(line) <= step))

    def _add(self, told: dict[str, Any]) -> None:
        path, line = self.folder / NAME, json.dumps(told, ensure_ascii=False)
        lines = _lines(path) if path.is_file() else []
        if len(lines) >= LINES:
            write_text(path, "".join(f"{each}\n" for each in [*lines[::2], line]))
            return
        with full_disk_refused(path), path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    def _take(self, given: str, written: str, truth: Any) -> None:
        told = {"input": given, "written": written, "truth": _side_by_side(truth)}
        self._taken.append({name: None if text is None else str(text)[:LONGEST] for name, text in told.items()})

    @staticmethod
    def _has_truth(task: Task, record: Record) -> bool:
        with suppress(Refusal):
            task.gold(record)
            return True
        return False


def writes(task: Task) -> bool:
    """Whether a task that answers otherwise goes on with texts."""
    return task.answers_by != "generate" and type(task).prompts is not Task.prompts and "text" in task.columns


def _side_by_side(texts: Any) -> Any:
    """Several texts in one; one text, or none, as it is."""
    return " / ".join(map(str, texts)) if isinstance(texts, list | tuple) else texts


def _lines(path: Path) -> list[str]:
    """The whole lines; one that an interruption has cut off is left out."""
    return [line for line in path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1] if _step(line) >= 0]


def _step(line: str) -> int:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return -1
