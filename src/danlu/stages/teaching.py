"""A sequence of tasks under a remedy, a training at a time; what is done is kept, so that a kill loses none of it."""

import json
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor

from danlu.continual.networks import Networks
from danlu.continual.remedy import Kept
from danlu.continual.remedy import Learnt as Told
from danlu.data.record import Record
from danlu.machine.files import folder_in_place
from danlu.refusal import Refusal
from danlu.stages.learning import Before, Learning
from danlu.stages.ready import Learnt, learnt_from
from danlu.task.task import Task

ROW, VALUES, KEPT, RECORDS = "row.json", "values.safetensors", "kept.safetensors", "kept.json"
TRAINING = ".training"

Scores = dict[str, dict[str, float]]


@dataclass(frozen=True)
class Stands:
    """Where a sequence stands.

    - `learnt`: the names of the tasks so far; `tasks`: all, those that were learnt as they were settled then.
    - `values`: of the networks, of plain ones where the remedy `renews`; None where nothing was learnt.
    - `scores`: of all tasks; `seconds`: that the last training took.
    """

    learnt: tuple[str, ...]
    tasks: Mapping[str, Task]
    values: Mapping[str, Tensor] | None = None
    kept: Kept = field(default_factory=Kept)
    scores: Scores = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(frozen=True)
class Teaching:
    """A remedy at work in a folder of its own; the folder of another that begins in the same way may be at hand."""

    learning: Learning
    folder: Path
    alike: Path | None = None

    @property
    def turns(self) -> list[tuple[str, ...]]:
        """What is learnt in each training: a task, or all of them."""
        names = tuple(self.learning.course.lessons)
        return [names] if self.learning.remedy.at_once else [(name,) for name in names]

    def begun(self, scores: Scores) -> Stands:
        """Before the first task."""
        return Stands((), self.learning.course.tasks, scores=scores)

    def after(self, number: int, before: Stands) -> Stands:
        """Where it stands after training `number`, done now or in an earlier call."""
        folder, course = self.folder / str(number), self.learning.course
        training = self.folder / f"{number}{TRAINING}"
        if (folder / ROW).is_file():
            self._tidy(number, training)
            return self._read(folder, before, self.turns[number])
        begun = time.monotonic()
        told = ", ".join(f"{name} ({course.counts[name]:,} records)" for name in self.turns[number])
        course.place.say(f"{course.place.name}: {self.learning.name}: learns {told}")
        read = {name: self._records(name) for name in self.turns[number]}
        stands = self._learnt(number, before, read)
        stands = Stands(**{**vars(stands), "seconds": round(time.monotonic() - begun, 1)})
        self._write(folder, stands)
        self._tidy(number, training)
        if number > 1 or (number and self.alike):  # others may begin as this one did
            (self.folder / str(number - 1) / VALUES).unlink(missing_ok=True)
        return stands

    def _tidy(self, number: int, training: Path) -> None:
        """Keep the log of a training that is done, and nothing else of it: not before, or a kill would lose the log."""
        self.learning.keep_log(self.turns[number], training)
        shutil.rmtree(training, ignore_errors=True)

    def networks(self, values: Mapping[str, Tensor]) -> Networks:
        """The networks of `Stands.values`, in float32."""
        learning = self.learning
        return learning.course.plain(values) if learning.remedy.renews else self._tuned(values)

    def _tuned(self, values: Mapping[str, Tensor]) -> Networks:
        course = self.learning.course
        networks = course.tuned(course.plain(), self.learning.method, "update")
        networks.fill(values)
        return networks

    def _records(self, name: str) -> Learnt:
        course = self.learning.course
        return learnt_from(course.lessons[name].data, course.tasks[name], course.place)

    def _learnt(self, number: int, before: Stands, read: Mapping[str, Learnt]) -> Stands:
        learning, course, remedy = self.learning, self.learning.course, self.learning.remedy
        plain = course.plain()
        shared, first = list(plain.shared()), plain.values()
        stood = before.values or first
        if remedy.renews:
            begun = remedy.begins(stood, first, shared)
            plain.fill(begun)
        networks = course.tuned(plain, learning.method, f"update {number}" if remedy.renews else "update")
        if before.values and not remedy.renews:
            networks.fill(before.values)
        found, rows = networks.values(), learning.rows(networks, {name: each.records for name, each in read.items()})
        if (known := self._known(number)) is not None:
            found = known
        else:
            earlier = Before(before.learnt, lambda: self.networks(before.values or {}), before.kept)
            found |= learning.trained(networks, earlier, rows, self.folder / f"{number}{TRAINING}")
        kept = before.kept
        if not remedy.at_once:
            (name,) = read

            def shown(count: int) -> Any:
                return learning.shown(self._tuned(found), rows[name], count)

            kept = remedy.kept(kept, Told(number, name, read[name].records, dict(found), shown, course.place.seed))
        values: Mapping[str, Tensor] = found
        if remedy.renews:
            merged = course.merged(self._tuned(found), learning.method).values()
            values = remedy.ends(number, begun, merged, stood, shared)
        tasks, scores = self._examined(self.networks(values), before, read)
        return Stands((*before.learnt, *read), tasks, values, kept, scores)

    def _known(self, number: int) -> dict[str, Tensor] | None:
        """What the first training has left where another remedy has done the very same."""
        file = self.alike / "0" / VALUES if self.alike and not number else None
        renews = self.learning.remedy.renews or self.learning.remedy.at_once
        return None if file is None or renews or not file.is_file() else load_file(file)

    def _examined(
        self, networks: Networks, before: Stands, read: Mapping[str, Learnt]
    ) -> tuple[dict[str, Task], Scores]:
        """All tasks, and the scores of all.

        Those that were just learnt are settled on their validation records, and so is whatever shares a head with them:
        that is how its bundle would answer.
        """
        course, tasks = self.learning.course, dict(before.tasks)
        for head in dict.fromkeys(course.heads[name] for name in read):
            names = [name for name in read if course.heads[name] == head]
            records = [record for name in names for record in self.learning.validation_of(name)]
            task = course.tasks[names[-1]]
            task.settles_on(len(records))
            if records and type(task).settled is not Task.settled:
                with course.predictor(networks, names[-1], task) as predictor:
                    settled = predictor.task.settled(records, predictor.outputs(records))
                tasks |= {name: settled for name in tasks if course.heads[name] == head}
        return tasks, course.scores(networks, tasks)

    def _write(self, folder: Path, stands: Stands) -> None:
        plain = {
            "scores": stands.scores,
            "seconds": stands.seconds,
            "tasks": {name: task.to_plain() for name, task in stands.tasks.items()},
        }
        with folder_in_place(folder) as temporary:
            assert stands.values is not None
            for file, tensors in ((VALUES, stands.values), (KEPT, stands.kept.tensors)):
                save_file({name: value.contiguous() for name, value in tensors.items()}, temporary / file)
            for name, value in ((RECORDS, stands.kept.records), (ROW, plain)):
                (temporary / name).write_text(json.dumps(value, ensure_ascii=True, indent=1), encoding="utf-8")

    def _read(self, folder: Path, before: Stands, names: tuple[str, ...]) -> Stands:
        values = folder / VALUES  # gone where a later training is done
        try:
            plain: dict[str, Any] = json.loads((folder / ROW).read_text(encoding="utf-8"))
            records: dict[str, list[Record]] = json.loads((folder / RECORDS).read_text(encoding="utf-8"))
            kept = Kept(records, load_file(folder / KEPT))
            tasks = {name: Task.model_validate(task) for name, task in plain["tasks"].items()}
            found = load_file(values) if values.is_file() else None
        except (OSError, ValueError, KeyError) as error:
            raise Refusal(
                f"{folder}: what was kept here is damaged; remove the folder to learn this task anew"
            ) from error
        return Stands((*before.learnt, *names), tasks, found, kept, plain["scores"], plain["seconds"])
