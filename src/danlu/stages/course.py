"""Tasks that are learnt one after the other by one trunk: what is known of them before the first is learnt."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from danlu.continual.networks import Networks
from danlu.continual.within import Within
from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.record import Record
from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.evaluate.scoring.score import values as measured
from danlu.machine.files import write_text
from danlu.machine.seed import generator
from danlu.model.fast import prepare_for_inference, resolve_precision
from danlu.model.own import inside, put_in, taken_out
from danlu.model.source import Source, unsaid
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.stages.given_vector import pooled_as_known
from danlu.stages.ready import Prepared, fitted, learnt_from, source_at, tokenizer_for
from danlu.stages.sources import Data, has_split, records_of, rewriters_for, with_segmenters
from danlu.stages.stage import Place, Reference
from danlu.stages.trial import suited
from danlu.task.one_label import OneLabel
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import TokenizerSource
from danlu.train.settings import Training
from danlu.tuning.method import Method

Scenario = Literal["task-incremental", "domain-incremental", "class-incremental"]
"""Heads by task, which is told when it is asked; one head, and the same labels of other texts; one head whose labels
come task by task, and it is not told which task a text is of (van de Ven and Tolias, 2019)."""

TOGETHER = "all"
"""The name of the network that all tasks have in common."""
KNOWN = "tasks.json"
WEIGHTS = "weights"


class Lesson(Part):
    """One task of a sequence, and what it is learnt from."""

    data: Data | list[Data] = Field(description="prepared data ('@stage') or files; several are joined")
    validation: Data | None = Field(default=None, description="None: the validation split of the data, if it has one")
    test: Data | None = Field(default=None, description="None: the test split of the data")
    task: Task
    train: Training | None = Field(default=None, description="None: as the stage says, whose precision holds for all")


@dataclass(frozen=True)
class Course:
    """The tasks of a sequence in order, as one model can do them; nothing has been learnt yet.

    - `tasks`: by name; `heads`: the network that each is learnt by; `counts`: its training records.
    - `precision`: what is computed in, resolved.
    """

    lessons: Mapping[str, Lesson]
    tasks: Mapping[str, Task]
    heads: Mapping[str, str]
    counts: Mapping[str, int]
    scenario: Scenario
    prepared: Prepared
    precision: str
    place: Place

    @cached_property
    def rewriters(self) -> dict[str, list[Rewriter]]:
        """What gave the texts of each task their form."""
        if self.scenario == "task-incremental":
            return {name: rewriters_for(lesson.data, self.place) for name, lesson in self.lessons.items()}
        every = [data for lesson in self.lessons.values() for data in _listed(lesson.data)]
        return dict.fromkeys(self.lessons, rewriters_for(every, self.place))

    def test(self, name: str) -> list[Record]:
        """The test records of a task. Raises `Refusal` where it has none."""
        lesson, labelled = self.lessons[name], "label" in self.tasks[name].columns
        if lesson.test is None and not has_split(lesson.data, "test", self.place):
            raise Refusal(f"tasks.{name}: has no test data, which each row of the matrix needs; add 'test' to it")
        source = lesson.data if lesson.test is None else lesson.test
        split = "test" if lesson.test is None or isinstance(lesson.test, str) else "train"
        records = records_of(source, split, self.place, labelled=labelled)
        if not records:
            raise Refusal(f"tasks.{name}: its test data is empty, and each row of the matrix needs some; add 'test'")
        return records

    def of(self, name: str, method: Method) -> Prepared:
        """What the network of a task is built from."""
        return replace(self.prepared, task=self.tasks[name], tuning=method)

    @cached_property
    def begins(self) -> Networks:
        """The networks before any task, in float32, with nothing of a method; they stay as they are."""
        built = {}
        for name, head in self.heads.items():
            if head not in built:
                prepared = self.of(name, self.prepared.tuning)
                built[head] = put_in(prepared.base_model(), prepared.task.parameters())
        return Networks(built)

    def suit(self, networks: Networks) -> None:
        """Let networks that have just been made read rows as the tasks have them, such as packed ones."""
        for head in networks.names:
            task = next(task for name, task in self.tasks.items() if self.heads[name] == head)
            suited(networks.of(head), task, self.prepared.tokenizer, unsaid)

    def plain(self, values: Mapping[str, Tensor] | None = None) -> Networks:
        """A copy of the networks before any task, with these values."""
        networks = copy.deepcopy(self.begins)
        networks.fill(values or {})
        return networks

    def tuned(self, networks: Networks, method: Method, seed: str) -> Networks:
        """The networks with what a method adds; what is random in it follows from a seed of its own."""
        found = {}
        for head in networks.names:
            network = networks.of(head)
            own = taken_out(network)
            with torch.random.fork_rng():
                torch.manual_seed(int(generator(self.prepared.seed, seed).integers(2**31)))
                found[head] = put_in(method.apply(network), own)  # type: ignore[arg-type]
        return Networks(found)

    def merged(self, networks: Networks, method: Method) -> Networks:
        """The plain networks, in float32, with what was learnt folded in; those that are given stay as they are."""
        found = {}
        for head in networks.names:
            network = copy.deepcopy(networks.of(head))
            own = taken_out(network)
            found[head] = put_in(method.merge(network), own)
        return Networks(found)

    def scores(self, networks: Networks, tasks: Mapping[str, Task]) -> dict[str, dict[str, float]]:
        """The metrics of each task on its test records, by the very path that serves."""
        found = {}
        for name, task in tasks.items():
            records = self.test(name)
            with self.predictor(networks, name, task) as predictor:
                told = predictor.task
                found[name] = measured(told, records, predictor.predict(records))
        return found

    def predictor(self, networks: Networks, name: str, task: Task) -> Predictor:
        """What answers for a task with the network as it stands; `task` as it was settled."""
        network = networks.of(self.heads[name])
        ready = prepare_for_inference(network, self.serving)  # type: ignore[arg-type]
        task, tokenizer = task.learnt(inside(network)), self.prepared.tokenizer
        return Predictor(TorchNetwork(ready), task, tokenizer, rewriters=self.rewriters[name])

    @property
    def serving(self) -> str:
        """The number format that is served in."""
        return "float32" if self.precision == "float16" else self.precision

    def within(self, method: Method) -> Within:
        """The method where networks share their trunk."""
        return Within(method=method, first=next(iter(self.heads.values())))


def course(
    lessons: Mapping[str, Lesson],
    scenario: Scenario | Literal["auto"],
    model: Source,
    tokenizer: Reference | TokenizerSource | None,
    tuning: Method,
    precision: str,
    place: Place,
) -> Course:
    """All that is known of the tasks before the first is learnt.

    Their records are looked at once, for labels, and what was found is kept in the stage's folder.

    Raises:
        Refusal: what the data, the tokenizer or the model do not allow.
    """
    _refuse_company(lessons)
    source = source_at(model, place)
    chosen = tokenizer_for(source, tokenizer, place)
    known = _known(lessons, source, precision, place)
    tasks, counts = known["tasks"], known["counts"]
    scenario, tasks = _scenario(scenario, lessons, tasks)
    together = scenario != "task-incremental"
    heads = {name: TOGETHER if together else name for name in lessons}
    prepared = Prepared(source, tuning.reading(chosen), chosen, next(iter(tasks.values())), [], place.seed)
    found = Course(lessons, tasks, heads, counts, scenario, prepared, known["precision"], place)
    for name in lessons:
        found.test(name)
    return replace(found, tasks=_suited(found))


def _refuse_company(lessons: Mapping[str, Lesson]) -> None:
    """Refuse tasks that need another network beside the one that learns."""
    for name, task in ((name, lesson.task) for name, lesson in lessons.items()):
        if task.learners:
            raise Refusal(
                f"tasks.{name}: '{task.kind}' trains {' and '.join(task.learners)} beside the network, which tasks in "
                "turn do not share; learn it in a stage of kind 'train'"
            )
        if task.roles:
            raise Refusal(
                f"tasks.{name}: '{task.kind}' asks {' and '.join(task.roles)} beside the network, and tasks in turn "
                "have none; learn it in a stage of kind 'train'"
            )


def _suited(found: Course) -> dict[str, Task]:
    """The tasks as the model can do them, found by trying; each network is looked at once."""
    tasks: dict[str, Task] = {}
    of_head: dict[str, nn.Module] = {}
    for name, head in found.heads.items():
        say = unsaid if head in of_head else found.place.say
        if head not in of_head:
            of_head[head] = found.of(name, found.prepared.tuning).tuned_model(partial(_say_of, found.place, name))
        tasks[name] = suited(of_head[head], found.tasks[name], found.prepared.tokenizer, say)
    return tasks


def _say_of(place: Place, task: str, line: str) -> None:
    place.say(f"{place.name}: {task}: {line}")


def _known(lessons: Mapping[str, Lesson], source: Source, precision: str, place: Place) -> dict[str, Any]:
    """The fitted tasks, how many records each has, and the number format; looked at once, and then read again."""
    file = place.folder / KNOWN
    if file.is_file():
        kept: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        return kept | {"tasks": {name: Task.model_validate(plain) for name, plain in kept["tasks"].items()}}
    tasks, counts = {}, {}
    for name, lesson in lessons.items():
        try:
            learnt = learnt_from(lesson.data, lesson.task, place)
            task = fitted(with_segmenters(lesson.task, place), learnt)
            tasks[name] = pooled_as_known(task, source, place.say).shaped(source.shape())
        except Refusal as refusal:
            raise Refusal(f"tasks.{name}: {refusal}") from None
        if learnt.shards:
            raise Refusal(f"tasks.{name}: shards hold rows of one task; give the prepared data that they were made of")
        counts[name] = learnt.count
    found: dict[str, Any] = {"counts": counts, "precision": resolve_precision(precision)}
    plain = {name: task.as_written() for name, task in tasks.items()}
    write_text(file, json.dumps(found | {"tasks": plain}, ensure_ascii=False, indent=1) + "\n")
    return found | {"tasks": tasks}


def _scenario(
    wanted: Scenario | Literal["auto"], lessons: Mapping[str, Lesson], tasks: dict[str, Task]
) -> tuple[Scenario, dict[str, Task]]:
    """Which scenario it is, and the tasks as they are in it."""
    differ = _differ([task.to_plain() for task in tasks.values()])
    if wanted == "auto":
        return ("task-incremental" if differ else "domain-incremental"), tasks
    if wanted == "domain-incremental" and differ:
        raise Refusal(
            f"scenario domain-incremental: the tasks differ in {', '.join(differ)}, so they cannot share one head; "
            "write task-incremental, or class-incremental for classifiers whose labels add up"
        )
    if wanted != "class-incremental":
        return wanted, tasks
    sections = {json.dumps(lesson.task.to_plain(), sort_keys=True) for lesson in lessons.values()}
    first = next(iter(tasks.values()))
    if len(sections) > 1 or not isinstance(first, OneLabel) or len({_pairs(task) for task in tasks.values()}) > 1:
        raise Refusal(
            "scenario class-incremental: one head for all labels needs tasks that choose one label, all with the same "
            "settings; write task-incremental"
        )
    labels = tuple(dict.fromkeys(label for task in tasks.values() for label in task.label_names()))
    union = first.model_copy(update={"labels": labels})
    template = getattr(union, "template", None)
    if template is not None and set(template.labels) != set(labels):
        raise Refusal(
            "scenario class-incremental: the task has words for the labels of its own data alone; write the word of "
            "each label of all tasks in its 'template'"
        )
    if getattr(union, "weights", None):
        raise Refusal("scenario class-incremental: labels of other tasks have no weight; leave out 'label_weights'")
    return wanted, dict.fromkeys(tasks, union)


def _differ(plain: Sequence[Mapping[str, Any]]) -> list[str]:
    """The settings that are not those of all; what labels weigh in its loss each task may have its own way."""
    names = dict.fromkeys(name for each in plain for name in each)
    return [name for name in names if name != WEIGHTS and any(each.get(name) != plain[0].get(name) for each in plain)]


def learnt_labels(found: Course, names: Sequence[str]) -> dict[str, list[int]]:
    """Of a head that grows with its labels the outputs that the tasks of these names have taught it."""
    if found.scenario != "class-incremental" or not names:
        return {}
    known = _fitted_labels(found.place.folder / KNOWN)
    union = found.tasks[names[0]].label_names()
    return {TOGETHER: sorted({union.index(label) for name in names for label in known[name]})}


def _fitted_labels(file: Path) -> dict[str, list[str]]:
    kept = json.loads(file.read_text(encoding="utf-8"))["tasks"]
    return {name: plain["labels"] for name, plain in kept.items()}


def _pairs(task: Task) -> object:
    return getattr(task, "pairs", None)


def _listed(data: Data | list[Data]) -> list[Data]:
    return list(data) if isinstance(data, list) else [data]
