"""Train a model: any source, any task, any tuning method. Pretraining and fine-tuning are this one stage."""

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Self

import torch
from pydantic import Field, model_validator

from danlu.data.record import Record
from danlu.engine.predict import Predictor
from danlu.evaluate.scoring.metric import Metric
from danlu.machine.device import device
from danlu.model.accelerated import compile_layers
from danlu.model.beside import taken_apart
from danlu.model.fast import resolve_precision
from danlu.model.heads import unwrapped
from danlu.model.kernels import keep_choices, own_choices
from danlu.model.own import inside, put_in, taken_out
from danlu.model.positions import longest_row
from danlu.model.source import Say, Source, unsaid
from danlu.model.word_rows import word_rows
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.stages.alike import SaidAlike
from danlu.stages.asking import opened, settled
from danlu.stages.distilling import Teacher, taught
from danlu.stages.given_vector import pooled_as_known
from danlu.stages.learners import learners_for, leave_learners, with_learners
from danlu.stages.left import leave
from danlu.stages.losses import say_losses
from danlu.stages.ready import (
    Learnt,
    Prepared,
    Ready,
    fitted,
    learnt_from,
    network,
    roles_for,
    rows_of,
    source_at,
    tokenizer_for,
    validated_on,
)
from danlu.stages.retaining import Retained, retaining
from danlu.stages.samples import Samples, writes
from danlu.stages.sharing import facts_of, refuse_needless
from danlu.stages.sizing import keep_chosen, sized
from danlu.stages.sources import Data, rewriters_for, with_segmenters
from danlu.stages.stage import Place, Reference, Stage
from danlu.stages.telling import say_lost, tell_plan
from danlu.stages.trial import recompute, try_a_step
from danlu.stages.validating import as_looked_at, askable, encoded_as_asked, encoded_to_validate, told_of_cuts
from danlu.stages.vocabulary import keep_what_is_read, put_into
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.tokenizing.tokenizer import TokenizerSource
from danlu.train.batches import Batches
from danlu.train.checkpoint import precision_of, ranks_of, step_of
from danlu.train.events import Best, Stopped
from danlu.train.run import TrainingRun
from danlu.train.settings import Training
from danlu.train.validation import Validation
from danlu.tuning.features import cached_trunk
from danlu.tuning.method import Method
from danlu.tuning.methods.full import Full

EXAMPLES = 8  # records for the golden outputs of the bundle


class Train(Stage):
    """Records to a bundle."""

    data: Data | list[Data] = Field(description="prepared data ('@stage') or files; several are joined")
    validation: Data | None = Field(default=None, description="None: the validation split of the data, if it has one")
    tokenizer: Reference | TokenizerSource | None = Field(default=None, description="None: the model's own")
    model: Source
    task: Task
    roles: dict[str, Source] = Field(
        default={}, description="other networks that the loss of the task reads, by the names that the task gives them"
    )
    teacher: Teacher | None = Field(default=None, description="a bundle of the same task that the model follows")
    tuning: Method = Full()
    train: Training = Training()
    retain: dict[str, Retained] = Field(
        default={}, description="what the model knows already, by names: looked at with each validation"
    )
    max_forgetting: float | None = Field(
        default=None,
        ge=0,
        description="fall of a retained set's first metric that ends training; of one better low, its share of rise",
    )

    @model_validator(mode="after")
    def _retains_something(self) -> Self:
        shares = sum(section.share for section in self.retain.values())
        if shares >= 1:
            raise ValueError(
                f"the shares under 'retain' come to {shares:g}, so nothing new would be learnt; lower them"
            )
        if self.max_forgetting is not None and not self.retain:
            raise ValueError(
                "'max_forgetting' has nothing to look at; name what the model knows already under 'retain', or leave "
                "it out"
            )
        return self

    @own_choices()
    def run(self, place: Place) -> None:
        """Train, or go on with an interrupted training, and leave `log.jsonl` and `bundle`."""
        ranks = place.ranks
        if ranks.first:
            _remove_leftovers(place.folder)
        before = ranks_of(place.folder / "checkpoints")
        if ranks.several and self.model.minutes_to_train() is not None:
            with ranks.meeting():
                if ranks.first:
                    self._begun_with(place)
            keep_chosen(place)
        with ranks.meeting() as facts:
            refuse_needless(ranks, self.tuning)
            ready = self.ready(place)
            facts.update(facts_of(ready, place))
        with ranks.meeting() as facts:
            run = self.restored(ready, place)
            facts["steps"] = f"{run.total:,}"
        if ranks.first:
            tell_plan(place, run, ready, before)
        with ExitStack() as stack:
            if self.tuning.freezes_trunk:
                batches = _once(run.batches, device())
                stack.enter_context(cached_trunk(ready.model, batches, place.folder))
            stack.enter_context(ready.roles.keeping(place.folder))
            samples = Samples(place.folder, writes(ready.prepared.task) and not word_rows(ready.model))
            said = SaidAlike()
            looking = self._validation(stack, ready, run.state.step, place, samples, said) if ready.validation else None
            watch = samples.watching(said.watching(place.watch)) if ranks.first else place.watch
            best = run.train(place.name, looking, watch, place.say)
        if not ranks.first:
            return
        stopped, step = run.stopped, run.state.step
        if run.lost:
            say_lost(place, run.lost, step, best)
        said.tell(place, best.step, run.settings.rate, run.total)
        ready.memory.tell(place.folder, best.step, place.say)
        anchors = run.anchors
        del run, looking  # gradients, moments and replicas
        self._save(place, ready, best)
        if anchors and not stopped:
            anchors.remove()
        if stopped:
            raise Stopped(f"{place.name}: stopped at step {step:,}; what is saved has its best weights so far")

    def standing(self, folder: Path) -> str | None:
        """The step of the newest checkpoint."""
        step = step_of(folder / "checkpoints")
        return None if step is None else f"step {step:,}"

    def ready(self, place: Place) -> Ready:
        """All up to the first step; raises `Refusal` for what the data, the tokenizer or the model do not allow."""
        torch.manual_seed(place.seed)
        for recorder in self.train.recorders:
            recorder.refuse_missing()

        def say(line: str) -> None:
            place.say(f"{place.name}: {line}")

        most = self.train.validated(written=self.task.answers_by == "generate")
        validation = validated_on(self.data, self.validation, self.task, most, place)
        self._refuse_vain_patience(validation)
        self.task.settles_on(len(validation))
        learnt, prepared, settings, precision = self._begun_with(place, say)
        model, prepared = network(prepared, precision, say)
        if self.train.recompute:
            recompute(model, self.tuning)
        if self.train.compile:
            compile_layers(model, say)
        limit, encoded = longest_row(unwrapped(model)), rows_of(learnt, prepared, model, settings)
        if not learnt.shards:
            say_losses(say, encoded, learnt.count, prepared.task)
        if told := told_of_cuts(prepared.task, settings, limit):
            say(told)
        validated = encoded_to_validate(validation, as_looked_at(prepared, settings), limit)
        validation = askable(validation, prepared, limit, say)
        validated += encoded_as_asked(validation, prepared, limit)
        roles = roles_for(self.roles, prepared, model, precision, place, say)
        ready = Ready(
            learnt, validation, prepared, settings, precision, limit, encoded, model, roles, ranks=place.ranks
        )
        ready = taught(retaining(ready, self.retain, most, place, say), self.teacher, place, say)
        keep_what_is_read(ready, [*validated, *ready.memory.encoded()])
        try_a_step(ready.batches(), model, ready.roles, self.tuning, place.folder)
        return ready

    def _begun_with(self, place: Place, say: Say = unsaid) -> tuple[Learnt, Prepared, Training, str]:
        """What is learnt, what the model is built from, with its size, how long it is trained, in which format."""
        learnt = learnt_from(self.data, self.task, place)
        source = source_at(self.model, place)
        tokenizer = tokenizer_for(source, self.tokenizer, place)
        rewriters = rewriters_for(self.data, place)
        task = fitted(with_segmenters(self.task, place), learnt)
        task = pooled_as_known(task, source, place.say).shaped(source.shape())
        auto = source.minutes_to_train() is not None
        given = {name: source_at(role, place) for name, role in self.roles.items() if auto or name in task.learners}
        learners = {} if auto else learners_for(task, given, source)
        prepared = Prepared(source, self.tuning.reading(tokenizer), tokenizer, task, rewriters, place.seed, learners)
        keep_choices(place.folder, place.ranks.rank)
        precision = precision_of(place.folder / "checkpoints") or resolve_precision(self.train.precision)
        return learnt, *sized(prepared, learnt, self.train, precision, place, say, given), precision

    def restored(self, ready: Ready, place: Place) -> TrainingRun:
        """The training at its first step, or where it was interrupted."""
        return TrainingRun(
            ready.model,
            ready.batches(),
            ready.roles.loss,
            ready.settings,
            self.tuning,
            precision=ready.precision,
            folder=place.folder,
            fingerprint=place.fingerprint,
            seed=place.seed,
            spell=lambda ids: str(ready.prepared.tokenizer.decode(ids)),
            ranks=place.ranks,
            beforehand=ready.roles.beforehand,
        )

    @property
    def in_parallel(self) -> bool:
        """As the section says."""
        return self.train.parallel is not None

    def _refuse_vain_patience(self, validation: list[Record]) -> None:
        if self.train.patience and not validation:
            raise Refusal(
                "train.patience waits for better validations, and there is no validation data; "
                "add 'validation' to the stage, or leave out 'patience'"
            )

    def _validation(
        self, stack: ExitStack, ready: Ready, step: int, place: Place, samples: Samples, said: SaidAlike
    ) -> Validation:
        """How the model is looked at from `step` on: by the very path that serves, encode, predict, decode, score."""
        prepared, records, memory = as_looked_at(ready.prepared, ready.settings), ready.validation, ready.memory
        name = prepared.task.metrics[0]
        higher = find(Metric, name).higher_is_better  # type: ignore[type-abstract]
        if not place.ranks.first:  # the first one measures, and tells
            return Validation(dict, name, higher)
        asked = opened(stack, ready.model, prepared)

        def standing(first: Predictor) -> Task:
            return prepared.task.learnt(inside(ready.model)).settled(records, first.outputs(records))

        def retained(first: Predictor, task: Task) -> dict[str, float]:
            return memory.measured(first, task, inside(ready.model))

        def known() -> dict[str, float]:
            with asked() as first:
                return retained(first, standing(first))

        def measure() -> dict[str, float]:
            with asked() as first:
                task = standing(first)
                predictor = Predictor(first.network, task, prepared.tokenizer, beside=first)
                predictions = samples.seen(task, records, predictor.predict(records))
                found = said.values(task, records, predictions) | retained(first, task)
                samples.write(predictor, records)
            return found

        samples.keep_up_to(step)
        before = memory.before(place.folder, known, step) if memory.kept else {}
        return Validation(measure, name, higher, lambda now: memory.lost(before, now, self.max_forgetting))

    def _save(self, place: Place, ready: Ready, best: Best) -> None:
        """Put the best weights into a fresh float32 model, so that what was frozen is exactly what it was."""
        prepared, precision, learnt = ready.prepared, ready.precision, ready.learnt
        model = with_learners(put_in(prepared.tuned_model(), prepared.own), prepared)
        parameters, state = dict(model.named_parameters()), self.tuning.state(model)
        with torch.no_grad():
            put_into(parameters, best, ready)
            for name, value in best.method.items():
                state[name].copy_(value)
        learnt_beside = taken_apart(model)
        prepared = replace(prepared, task=settled(prepared.task.learnt(taken_out(model)), model, ready))
        roles = {name: source.to_plain() for name, source in self.roles.items()}
        provenance = {
            "recipe": place.folder.parent.name,
            "stage": place.name,
            "fingerprint": place.fingerprint,
            "records": {"train": learnt.count, "validation": len(ready.validation)},
            "best_step": best.step,
            "validation": best.score,
        } | ({"roles": roles} if roles else {})
        if self.teacher is not None:
            provenance["teacher"] = self.teacher.to_plain()
        examples = (ready.validation or learnt.records)[:EXAMPLES]
        kept = [prepared.task.kept(record) for record in examples]
        how = {"precision": "float32" if precision == "float16" else precision, "examples": kept}
        leave_learners(place, prepared, learnt_beside, provenance, **how)
        leave(place, prepared, model, provenance, **how)


def _remove_leftovers(folder: Path) -> None:
    """What a killed process was writing."""
    for path in (*folder.glob("features-*"), *folder.glob(".*.partial")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _once(batches: Batches, where: torch.device) -> Iterator[Batch]:
    """Every row once, for features that are computed once."""
    for group in batches.groups(0, batches.an_epoch(), where):
        yield from group
