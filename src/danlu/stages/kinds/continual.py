"""Learn tasks one after the other with one trunk, and tell what each remedy leaves of the earlier ones."""

import json
import shutil
from dataclasses import replace
from math import isfinite
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from danlu.bundle.bundle import save
from danlu.continual.matrix import summary
from danlu.continual.remedies.joint import Joint
from danlu.continual.remedies.naive import Naive
from danlu.continual.remedies.replay import Replay
from danlu.continual.remedy import Kept, Remedy
from danlu.evaluate.reporting.learnt_in_turn import in_turn_in_words
from danlu.evaluate.reporting.wording import number as told
from danlu.machine.files import write_text
from danlu.model.kernels import keep_choices, own_choices
from danlu.model.own import taken_out
from danlu.model.source import Source
from danlu.recipe.part import nearest
from danlu.refusal import Refusal
from danlu.stages.course import KNOWN, Course, Lesson, Scenario, course
from danlu.stages.learning import Learning, higher_is_better
from danlu.stages.recipe import Name
from danlu.stages.stage import Place, Reference, Stage
from danlu.stages.teaching import ROW, TRAINING, Scores, Stands, Teaching
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import TokenizerSource
from danlu.train.checkpoint import step_of
from danlu.train.settings import Training
from danlu.tuning.method import Method
from danlu.tuning.methods.full import Full

RESULTS, BUNDLES, STEPS, BEFORE = "continual.json", "bundles", "steps", "before.json"
EXAMPLES = 8  # records for the golden outputs of a bundle

REFERENCES = {"naive": Naive, "replay": Replay, "joint": Joint}
"""What stands beside every remedy: nothing done, some records learnt again, and everything at once."""


class Continual(Stage):
    """Tasks in order to `continual.json`, the scores of each after each, and to `bundles` of the remedy that serves."""

    tasks: dict[Name, Lesson] = Field(min_length=2, description="what is learnt, in this order, by names of your own")
    scenario: Literal["auto"] | Scenario = Field(
        default="auto",
        description="auto: domain-incremental where all tasks and their labels are the same, else task-incremental",
    )
    model: Source
    tokenizer: Reference | TokenizerSource | None = Field(default=None, description="None: the model's own")
    tuning: Method = Full()
    train: Training = Field(default=Training(), description="of each task that does not say, and of joint")
    remedies: tuple[Remedy, ...] = Field(
        default=(Naive(), Replay(), Joint()), description="naive, replay and joint are run beside all others"
    )
    serve: str | None = Field(
        default=None, description="the remedy whose networks become bundles; None: the first but naive and joint"
    )

    @field_validator("remedies")
    @classmethod
    def _beside(cls, value: tuple[Remedy, ...]) -> tuple[Remedy, ...]:
        """With the references that are lacking; naive first, for others begin as it does."""
        lacking = [part() for kind, part in REFERENCES.items() if kind not in {remedy.kind for remedy in value}]
        return tuple(sorted((*value, *lacking), key=lambda remedy: remedy.kind != "naive"))

    @model_validator(mode="after")
    def _serves_one(self) -> Self:
        if self.serve is not None and self.serve not in self.named():
            names = list(self.named())
            raise ValueError(
                f"'serve' names no remedy '{self.serve}'{nearest(self.serve, names)}; there are: {', '.join(names)}"
            )
        return self

    @model_validator(mode="after")
    def _is_one_process(self) -> Self:
        if any(train.parallel for train in (self.train, *(each.train or self.train for each in self.tasks.values()))):
            raise ValueError("'parallel' has no effect here, for tasks in turn are learnt by one process; leave it out")
        return self

    def named(self) -> dict[str, Remedy]:
        """The remedies under the names of their rows: their kinds, those of one kind numbered."""
        found: dict[str, Remedy] = {}
        for remedy in self.remedies:
            name, count = remedy.kind, 1
            while name in found:
                count += 1
                name = f"{remedy.kind}-{count}"
            found[name] = remedy
        return found

    @property
    def serves(self) -> str:
        """The name of the remedy whose networks become bundles."""
        others = [name for name, remedy in self.named().items() if remedy.kind not in ("naive", "joint")]
        return self.serve or others[0]

    @own_choices()
    def run(self, place: Place) -> None:
        """Learn all tasks by each remedy; what was learnt before an interruption is found again; see `Stage.run`."""
        place.folder.mkdir(parents=True, exist_ok=True)
        keep_choices(place.folder)
        self._refuse()
        found = course(self.tasks, self.scenario, self.model, self.tokenizer, self.tuning, self.train.precision, place)
        self._refuse_few(found)
        place.say(f"{place.name}: {found.scenario}: {', '.join(found.tasks)}")
        scores = self._before(found)
        plain: dict[str, Any] = {"scenario": found.scenario, "serves": self.serves, **_described(found)}
        plain["remedies"] = {}
        for name, remedy in self.named().items():
            rows, stands, teaching = self._taught(found, name, remedy, scores)
            plain["remedies"][name] = _result(found, remedy, rows)
            if name == self.serves:
                self._leave(found, teaching, stands)
        _beside_joint(plain["remedies"], 1.0 if higher_is_better(next(iter(found.tasks.values()))) else -1.0)
        write_text(place.folder / RESULTS, json.dumps(plain, ensure_ascii=False, indent=1) + "\n")
        for line in in_turn_in_words(plain, place.language):
            place.say(line)
        shutil.rmtree(place.folder / STEPS)
        (place.folder / KNOWN).unlink()

    def standing(self, folder: Path) -> str | None:
        """The training that comes next, and the step of its newest checkpoint."""
        done = len([*(folder / STEPS).glob(f"*/*/{ROW}")])
        steps = [step_of(under / "checkpoints") for under in (folder / STEPS).glob(f"*/*{TRAINING}")]
        step = next((step for step in steps if step is not None), None)
        if not done and step is None:
            return None
        return f"training {done + 1}" + ("" if step is None else f", step {step:,}")

    def _refuse(self) -> None:
        if not self.tuning.mergeable:
            raise Refusal(
                f"tuning '{self.tuning.kind}' cannot be merged, and what one task has learnt must be in the weights "
                "that the next begins with; take full, layers or lora"
            )
        for remedy in self.remedies:
            remedy.method(self.tuning)
            for name, lesson in self.tasks.items():
                remedy.suits(name, lesson.task)

    def _refuse_few(self, found: Course) -> None:
        """Refuse now what would be refused only after the first task was learnt."""
        for recorder in (each for lesson in self.tasks.values() for each in (lesson.train or self.train).recorders):
            recorder.refuse_missing()
        learning = Learning(found, Naive(), "naive", self.train)
        for name, task in found.tasks.items():
            if type(task).settles_on is not Task.settles_on:
                try:
                    task.settles_on(len(learning.validation_of(name)))
                except Refusal as refusal:
                    raise Refusal(f"tasks.{name}: {refusal}") from None

    def _before(self, found: Course) -> Scores:
        """The scores of all tasks before the first is learnt, which are the same for all remedies."""
        file = found.place.folder / STEPS / BEFORE
        if file.is_file():
            kept: Scores = json.loads(file.read_text(encoding="utf-8"))
            return kept
        scores = found.scores(found.plain(), found.tasks)
        write_text(file, json.dumps(scores))
        return scores

    def _taught(
        self, found: Course, name: str, remedy: Remedy, scores: Scores
    ) -> tuple[list[Stands], Stands, Teaching]:
        """Where a remedy has stood before the first task and after each, and what has taught it."""
        steps = found.place.folder / STEPS
        alike = steps / "naive" if name != "naive" else None
        teaching = Teaching(Learning(found, remedy, name, self.train), steps / name, alike)
        rows = [teaching.begun(scores)]
        for number, names in enumerate(teaching.turns):
            rows.append(teaching.after(number, rows[-1]))
            rows[-2] = replace(rows[-2], values=None, kept=Kept())  # each holds the networks in float32
            firsts = [f"{each} {told(value)}" for each, value in _firsts(found, rows[-1].scores).items()]
            after = names[0] if len(names) == 1 else "all"
            found.place.say(f"{found.place.name}: {name}: after {after}: {', '.join(firsts)}")
        return rows, rows[-1], teaching

    def _leave(self, found: Course, teaching: Teaching, stands: Stands) -> None:
        """A bundle for each network, in float32, as it is after the last task."""
        place = found.place
        assert stands.values is not None
        networks = teaching.networks(stands.values)
        if not teaching.learning.remedy.renews:
            networks = found.merged(networks, teaching.learning.method)
        for head in networks.names:
            folder, name = (
                place.folder / BUNDLES / head,
                next(name for name in found.heads if found.heads[name] == head),
            )
            network, records = networks.of(head), found.test(name)
            task = stands.tasks[name].learnt(taken_out(network))
            provenance = {
                "recipe": place.folder.parent.name,
                "stage": place.name,
                "fingerprint": place.fingerprint,
                "records": {"train": found.counts[name], "test": len(records)},
                "sequence": list(found.tasks),
                "remedy": teaching.learning.remedy.to_plain(),
            }
            save(
                folder,
                network,  # type: ignore[arg-type]
                found.prepared.tokenizer,
                task,
                precision=found.serving,
                provenance=provenance,
                examples=[task.kept(record) for record in records[:EXAMPLES]],
                rewriters=found.rewriters[name],
                language=place.language,
            )
            place.say(f"{place.name}: bundle in {folder}")


def _described(found: Course) -> dict[str, Any]:
    return {
        "tasks": {
            name: {
                "task": task.kind,
                "metric": task.metrics[0],
                "higher_is_better": higher_is_better(task),
                "records": found.counts[name],
            }
            for name, task in found.tasks.items()
        }
    }


def _firsts(found: Course, scores: Scores) -> dict[str, float]:
    return {name: scores[name][task.metrics[0]] for name, task in found.tasks.items()}


def _result(found: Course, remedy: Remedy, rows: list[Stands]) -> dict[str, Any]:
    """What `continual.json` says of a remedy."""
    matrix = [list(_firsts(found, row.scores).values()) for row in rows]
    higher = [higher_is_better(task) for task in found.tasks.values()]
    return {
        "remedy": remedy.to_plain(),
        "rows": [
            {
                "after": list(row.learnt),
                "scores": {name: _finite(each) for name, each in row.scores.items()},
                "seconds": row.seconds,
            }
            for row in rows
        ],
        "matrix": [[value if isfinite(value) else None for value in row] for row in matrix],
        **summary(matrix, higher, at_once=remedy.at_once),
    }


def _finite(scores: dict[str, float]) -> dict[str, float | None]:
    return {name: value if isfinite(value) else None for name, value in scores.items()}


def _beside_joint(remedies: dict[str, Any], sign: float) -> None:
    """Tell of each remedy how much better its average is than that of all tasks at once."""
    joint = next(each["average"] for each in remedies.values() if each["remedy"]["kind"] == "joint")
    for each in remedies.values():
        known = each["average"] is not None and joint is not None
        each["beside_joint"] = sign * (each["average"] - joint) if known else None
