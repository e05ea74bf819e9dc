"""One training within a sequence: new rows, what a remedy learns beside them, and what it adds to the loss."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from torch import Tensor

from danlu.continual.networks import Networks
from danlu.continual.remedy import Earlier, Kept, Remedy, Rows, constant
from danlu.continual.several import LEARNT, Of, Several, named
from danlu.data.record import Record
from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.evaluate.scoring.metric import Metric
from danlu.evaluate.scoring.score import values as measured
from danlu.machine.device import device
from danlu.machine.seed import generator
from danlu.model.accelerated import compile_layers
from danlu.model.fast import prepare_for_training
from danlu.model.heads import unwrapped
from danlu.model.own import inside
from danlu.model.positions import longest_row
from danlu.model.recomputed_layers import recompute_layers
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.stages.course import Course, learnt_labels
from danlu.stages.ready import Learnt, rows_of, share_done, validated_on
from danlu.stages.validating import as_looked_at, askable, encoded_to_validate
from danlu.task.task import Task
from danlu.train.batches import Batches, Collate
from danlu.train.dealing import replicas_for
from danlu.train.events import Stopped
from danlu.train.run import TrainingRun
from danlu.train.settings import Training
from danlu.train.validation import Validation
from danlu.tuning.method import Method

LOG, EVENTS, LOGS = "log.jsonl", "tensorboard", "logs"

Values = dict[str, Tensor]


@dataclass(frozen=True)
class Before:
    """What a training finds: the names of the tasks so far, the networks as they were left, and what was kept."""

    learnt: tuple[str, ...]
    networks: Callable[[], Networks]
    kept: Kept


@dataclass(frozen=True)
class Learning:
    """How a remedy learns; `name` is that of its row in the results, `train` how tasks are learnt that do not say."""

    course: Course
    remedy: Remedy
    name: str
    train: Training

    @property
    def method(self) -> Method:
        """How the networks are tuned."""
        return self.remedy.method(self.course.prepared.tuning)

    def settings(self, name: str) -> Training:
        """How long and how fast a task is learnt by itself."""
        return self.course.lessons[name].train or self.train

    def _together(self, several: Several, rows: Mapping[str, list[Of]]) -> Training:
        """How long and how fast; several tasks together take as many steps as they do one by one."""
        each = {name: self.settings(name) for name in rows}
        if len(each) == 1:
            return next(iter(each.values()))
        steps = [
            settings.total_steps(self._batches(rows[name], several, settings).an_epoch())
            for name, settings in each.items()
        ]
        return self.train.model_copy(update={"steps": sum(steps), "epochs": None})

    def _batches(
        self, rows: list[Of], several: Several, settings: Training, along: Callable[[int], Collate] | None = None
    ) -> Batches:
        whole = any(task.couples_rows for task in several.tasks.values())
        return Batches(
            rows,
            several.collate,
            self.course.place.seed,
            tokens=settings.batch_tokens,
            examples=settings.batch_examples,
            accumulate=settings.accumulate,
            parts=1 if whole else replicas_for(settings, device()),
            along=along,
            sizes=several.sizes,
        )

    def rows(self, networks: Networks, records: Mapping[str, Sequence[Record]]) -> dict[str, list[Of]]:
        """The rows of records, by task. Raises `Refusal` for what a task cannot learn from."""
        course, found = self.course, dict[str, list[Of]]()
        for name, own in records.items():
            read = Learnt(list(own), len(own), None)
            network, settings = networks.of(course.heads[name]), self.settings(name)
            try:
                found[name] = named(rows_of(read, course.of(name, self.method), network, settings), name)
            except Refusal as refusal:
                raise Refusal(f"tasks.{name}: {refusal}") from None
        return found

    def trained(self, networks: Networks, before: Before, rows: Mapping[str, list[Of]], folder: Path) -> Values:
        """The trained parameters as the training leaves them, of the best validation where there is one.

        Raises:
            Stopped: whoever watches has stopped it.
        """
        course, place, names = self.course, self.course.place, list(rows)
        precision, method = course.precision, self.method
        everything, several = self._with_old(networks, before, rows)
        settings = self._together(several, rows)
        old = before.learnt if self.remedy.trains_old_heads else ()
        course.suit(networks)
        networks.train_heads(frozenset(course.heads[name] for name in (*several.tasks, *old)))
        for head in networks.names:
            prepare_for_training(networks.of(head), precision)
            if settings.recompute:
                recompute_layers(networks.of(head))
            if settings.compile:
                compile_layers(networks.of(head), place.say)

        def along(number: int) -> Collate:
            return several.along(share_done(number, settings, batches)).collate

        batches = self._batches(everything, several, settings, along)
        validation = self._validation(networks, names)
        if settings.patience and validation is None:
            raise Refusal(
                f"tasks.{names[0]}: train.patience waits for better validations, and there is no validation data; add "
                "'validation' to the task, or leave out 'patience'"
            )
        within = course.within(method)
        how = {"precision": precision, "folder": folder, "fingerprint": place.fingerprint, "seed": place.seed}
        run = TrainingRun(networks, batches, several.loss, settings, within, **how)  # type: ignore[arg-type]
        best = run.train(f"{self.name} {' '.join(names)}", validation, place.watch, place.say)
        if run.stopped:
            raise Stopped(f"{place.name}: stopped while it learnt {', '.join(names)}; the same call goes on from there")
        if run.anchors:
            run.anchors.remove()
        known = {name for name, _ in networks.named_parameters()}
        left = within.served(best.weights, best.method) | {n: value for n, value in best.method.items() if n in known}
        return {name: value.detach().float().cpu().clone() for name, value in left.items()}

    def keep_log(self, names: Sequence[str], folder: Path) -> None:
        """Put the logs of a training that is done beside those of the others, unless there are none any more."""
        name = f"{self.name}-{names[0] if len(names) == 1 else 'all'}"
        logs = self.course.place.folder / LOGS
        for file, place in ((LOG, logs / f"{name}.jsonl"), (EVENTS, logs / name / EVENTS)):
            if (folder / file).exists():
                place.parent.mkdir(parents=True, exist_ok=True)
                if place.is_dir():
                    shutil.rmtree(place)
                (folder / file).replace(place)

    def shown(self, networks: Networks, rows: Sequence[Of], count: int) -> Rows:
        """The losses of some of the rows of a task, each by itself, in networks in float32 that do not learn."""
        course, name = self.course, rows[0].name
        several = Several.of({name: course.tasks[name]}, course.heads, course.prepared.tokenizer, rows)
        course.suit(networks)
        chosen = generator(course.place.seed, "shown", name).permutation(len(rows))[:count]
        for head in networks.names:
            prepare_for_training(networks.of(head), "float32").eval()

        def loss(place: int) -> Tensor:
            rng = generator(course.place.seed, "shown", name, place)
            batch = several.collate([rows[place]], len(rows[place]), rng)
            return several.loss(networks, batch.to(device()))[LEARNT]

        return Rows(networks, [partial(loss, place) for place in chosen.tolist()])

    def _with_old(self, networks: Networks, before: Before, rows: Mapping[str, list[Of]]) -> tuple[list[Of], Several]:
        """New rows with those of earlier tasks that are learnt beside them, and the loss of all."""
        course, remedy, method = self.course, self.remedy, self.method
        memory = self.rows(networks, before.kept.records)
        new, kept = ([row for own in each.values() for row in own] for each in (rows, memory))
        old = [kept[place] for place in remedy.repeated(len(new), len(kept), course.place.seed)]
        looked = None
        if remedy.looks_back and before.learnt:
            looked = before.networks().requires_grad_(requires_grad=False)
            course.suit(looked)
            for head in looked.names:
                prepare_for_training(looked.of(head), course.precision).eval()
        learnt = {name: course.tasks[name] for name in before.learnt}
        added = remedy.added(before.kept, Earlier(looked, learnt, course.heads, learnt_labels(course, before.learnt)))
        if type(method).penalty is not Method.penalty:
            added = [*added, constant(lambda model: method.penalty(model.first))]  # type: ignore[arg-type, return-value]
        tasks = {name: task for name, task in course.tasks.items() if name in rows or name in memory}
        return [*new, *old], Several.of(tasks, course.heads, course.prepared.tokenizer, [*new, *kept], added)

    def _validation(self, networks: Networks, names: Sequence[str]) -> Validation | None:
        """How the tasks of a training are looked at; of several the mean of their first metrics, signed as one."""
        records = {name: found for name in names if (found := self._validated(networks, name))}
        if not records:
            return None
        higher = [higher_is_better(self.course.tasks[name]) for name in records]
        signs = [1.0 if better or not any(higher) else -1.0 for better in higher]

        def measure() -> dict[str, float]:
            found = [self._measured(networks, name, own) for name, own in records.items()]
            if len(found) == 1:
                return found[0]
            firsts = [
                sign * each[self.course.tasks[name].metrics[0]]
                for sign, name, each in zip(signs, records, found, strict=True)
            ]
            each = {
                f"{name} {key}": value for name, own in zip(records, found, strict=True) for key, value in own.items()
            }
            return {"mean": sum(firsts) / len(firsts), **each}

        alone = self.course.tasks[next(iter(records))].metrics[0]
        return Validation(measure, alone if len(records) == 1 else "mean", any(higher))

    def validation_of(self, name: str) -> list[Record]:
        """The records that a task is looked at with while it is learnt."""
        course, lesson, task = self.course, self.course.lessons[name], self.course.tasks[name]
        most = self.settings(name).validated(written=task.answers_by == "generate")
        return validated_on(lesson.data, lesson.validation, task, most, course.place)

    def _validated(self, networks: Networks, name: str) -> list[Record]:
        course, found = self.course, self.validation_of(name)
        prepared = as_looked_at(course.of(name, self.method), self.settings(name))
        limit = longest_row(unwrapped(networks.of(course.heads[name])))
        encoded_to_validate(found, prepared, limit)
        return askable(found, prepared, limit, course.place.say)

    def _measured(self, networks: Networks, name: str, records: Sequence[Record]) -> dict[str, float]:
        network, tokenizer = networks.of(self.course.heads[name]), self.course.prepared.tokenizer
        looked_at = as_looked_at(self.course.of(name, self.method), self.settings(name))
        task = looked_at.task.learnt(inside(network))
        with Predictor(TorchNetwork(network), task, tokenizer) as predictor:  # type: ignore[arg-type]
            settled = task.settled(records, predictor.outputs(records))
            answering = Predictor(predictor.network, settled, tokenizer, beside=predictor)
            return measured(settled, records, answering.predict(records))


def higher_is_better(task: Task) -> bool:
    """Whether the first metric of a task is."""
    return find(Metric, task.metrics[0]).higher_is_better  # type: ignore[type-abstract]
