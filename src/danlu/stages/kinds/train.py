"""Train a model: any source, any task, any tuning method. Pretraining and fine-tuning are this one stage."""

import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from torch import nn

from danlu.bundle.bundle import save
from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.record import Record
from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.evaluate.scoring.metric import Metric
from danlu.evaluate.scoring.score import values
from danlu.machine.device import device
from danlu.machine.files import folder_in_place
from danlu.machine.seed import generator
from danlu.model.fast import prepare_for_training, resolve_precision
from danlu.model.heads import plain
from danlu.model.positions import longest_row
from danlu.model.source import Say, Source, unsaid
from danlu.model.word_rows import parameters_of, word_rows
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.stages.sharded import sharded
from danlu.stages.sources import Data, bundle_folder, has_split, records_of, rewriters_for, tokenizer_of
from danlu.stages.stage import Place, Reference, Stage
from danlu.stages.trial import suited, try_a_step
from danlu.stages.vocabulary import keep_what_is_read, put_into
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource
from danlu.train.batches import Batches
from danlu.train.checkpoint import precision_of, step_of
from danlu.train.run import Best, Run, Validation, replicas_for
from danlu.train.settings import Training
from danlu.tuning.features import cached_trunk
from danlu.tuning.method import Method
from danlu.tuning.methods.full import Full


class Train(Stage):
    """Records to a bundle."""

    data: Data | list[Data] = Field(description="prepared data ('@stage') or files; several are joined")
    validation: Data | None = Field(default=None, description="None: the validation split of the data, if it has one")
    tokenizer: Reference | TokenizerSource | None = Field(default=None, description="None: the model's own")
    model: Source
    task: Task
    tuning: Method = Full()
    train: Training = Training()

    def run(self, place: Place) -> None:
        """Train, or go on with an interrupted training, and leave `log.jsonl` and `bundle`."""
        _remove_leftovers(place.folder)
        ready = self.ready(place)
        model, prepared, validation = ready.model, ready.prepared, ready.validation
        run = Run(
            model,
            ready.batches(),
            prepared.task.loss,
            self.train,
            self.tuning,
            precision=ready.precision,
            folder=place.folder,
            fingerprint=place.fingerprint,
            seed=place.seed,
        )
        _say_plan(place, run, prepared.task, model, ready.precision, run.bytes_a_parameter(bool(validation)))
        with ExitStack() as stack:
            if self.tuning.freezes_trunk:
                batches = _once(run.batches, device())
                stack.enter_context(cached_trunk(model, batches, place.folder))
            measure = _measure(stack, model, prepared, validation) if validation else None
            best = run.train(place.folder.name, measure)
        total = run.total
        del run  # gradients and moments
        counts = {"train": ready.count, "validation": len(validation)}
        self._save(place, prepared, best, model, total, ready.precision, counts, (validation or ready.records)[:8])

    def standing(self, folder: Path) -> str | None:
        """The step of the newest checkpoint."""
        step = step_of(folder / "checkpoints")
        return None if step is None else f"step {step:,}"

    def ready(self, place: Place) -> "Ready":
        """All up to the first step; raises `Refusal` for what the data, the tokenizer or the model do not allow."""
        torch.manual_seed(place.seed)
        shards = sharded(self.data, place)
        labelled = "label" in self.task.columns
        records = shards.examples if shards else records_of(self.data, "train", place, labelled=labelled)
        validation = self._validation_records(place)
        source = self._source(place)
        if self.tokenizer is None and source.tokenizer_path() is None:
            raise Refusal(
                "a model from scratch needs a tokenizer; write 'tokenizer: \"@NAME\"' with the name of a stage of "
                "kind 'tokenizer'"
            )
        if self.train.patience and not validation:
            raise Refusal(
                "train.patience waits for better validations, and there is no validation data; "
                "add 'validation' to the stage, or leave out 'patience'"
            )
        tokenizer = tokenizer_of(self.tokenizer, source.tokenizer_path(), place)
        task = shards.task(self.task) if shards else self.task.fitted(records)
        prepared = Prepared(self, source, tokenizer, task, rewriters_for(self.data, place), place.seed)
        precision = precision_of(place.folder / "checkpoints") or resolve_precision(self.train.precision)
        network = prepared.tuned_model(lambda line: place.say(f"{place.folder.name}: {line}"))
        task = suited(network, task, tokenizer, lambda line: place.say(f"{place.folder.name}: {line}"))
        prepared = replace(prepared, task=task)
        model = prepare_for_training(network, precision)
        limit = longest_row(plain(model))
        room = limit if self.train.batch_examples else self.train.batch_tokens
        encoded: Sequence[Encoded] = (
            shards.rows(task, tokenizer, limit, room) if shards else task.learnable(records, tokenizer, limit, room)
        )
        if not len(encoded):
            raise Refusal("the data gives nothing to train on; look at the survey of the stage that prepared it")
        if not shards:
            _say_losses(place, encoded)
        try:  # what cannot be validated is told now, not after an epoch
            looked_at = prepared.task.encode(validation, tokenizer, limit, labelled=True)
        except Refusal as refusal:
            raise Refusal(f"validation data, {refusal}") from None
        keep_what_is_read(model, task, self.tuning, self.train, precision, tokenizer, encoded, looked_at)
        count = shards.records if shards else len(records)
        ready = Ready(records, count, validation, prepared, precision, limit, encoded, model)
        try_a_step(ready.batches(), model, task, self.tuning, place.folder)
        return ready

    def _source(self, place: Place) -> Source:
        path = self.model.tokenizer_path()
        if path is None or not path.startswith("@"):
            return self.model
        return self.model.model_copy(update={"path": str(bundle_folder(path, place))})

    def _validation_records(self, place: Place) -> list[Record]:
        if self.validation is not None:
            split = "train" if not isinstance(self.validation, str) else "validation"
            records = records_of(self.validation, split, place, labelled="label" in self.task.columns)
        elif has_split(self.data, "validation", place):
            records = records_of(self.data, "validation", place)
        else:
            return []
        if len(records) <= self.train.validation_records:
            return records
        chosen = generator(place.seed, "validation").permutation(len(records))[: self.train.validation_records]
        return [records[row] for row in sorted(chosen.tolist())]

    def _save(
        self,
        place: Place,
        prepared: "Prepared",
        best: Best,
        trained: nn.Module,
        total: int,
        precision: str,
        counts: dict[str, int],
        examples: list[Record],
    ) -> None:
        """Put the best weights into a fresh float32 model, so that what was frozen is exactly what it was."""
        model = prepared.tuned_model()
        parameters, state = dict(model.named_parameters()), self.tuning.state(model)
        with torch.no_grad():
            put_into(parameters, best, trained, self.tuning, self.train, total)
            for name, value in best.method.items():
                state[name].copy_(value)
        if not (self.tuning.mergeable and all(parameter.requires_grad for parameter in parameters.values())):
            with folder_in_place(place.folder / "adapter") as folder:
                self.tuning.save(model, folder)
        if not self.tuning.mergeable:
            place.say(f"{place.folder.name}: adapter in {place.folder / 'adapter'}; it cannot be merged into a bundle")
            return
        provenance = {
            "recipe": place.folder.parent.name,
            "stage": place.folder.name,
            "fingerprint": place.fingerprint,
            "records": counts,
            "best_step": best.step,
            "validation": best.score,
        }
        save(
            place.folder / "bundle",
            self.tuning.merge(model),
            prepared.tokenizer,
            prepared.task,
            precision="float32" if precision == "float16" else precision,
            provenance=provenance,
            examples=[prepared.task.kept(record) for record in examples],
            rewriters=prepared.rewriters,
            language=place.language,
        )
        place.say(f"{place.folder.name}: bundle in {place.folder / 'bundle'}")


@dataclass(frozen=True)
class Prepared:
    """What a model is built from; building twice gives the same weights."""

    stage: Train
    source: Source
    tokenizer: Tokenizer
    task: Task
    rewriters: list[Rewriter]
    seed: int

    def tuned_model(self, say: Say = unsaid) -> nn.Module:
        """The model with its first weights and what the method adds, in float32; `say` hears what begins fresh."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            model = self.source.build(self.task.auto_class, self.tokenizer, self.task.config(), say)
            return self.stage.tuning.apply(model)


@dataclass(frozen=True)
class Ready:
    """What a training begins with.

    - `records`: what is learnt from, or of shards the first; `count`: of all records.
    - `limit`: the longest row that the model allows, in tokens; `encoded`: the rows of all records.
    - `model`: in the number format and with the kernels of the training; `precision`: resolved.
    """

    records: list[Record]
    count: int
    validation: list[Record]
    prepared: Prepared
    precision: str
    limit: int
    encoded: Sequence[Encoded]
    model: nn.Module

    def batches(self) -> Batches:
        """The batches of the training, in their order."""
        prepared, settings = self.prepared, self.prepared.stage.train

        def collate(rows: list[Encoded], width: int, rng: np.random.Generator) -> Batch:
            return prepared.task.collate(rows, width, prepared.tokenizer, rng)

        return Batches(
            self.encoded,
            collate,
            prepared.seed,
            tokens=settings.batch_tokens,
            examples=settings.batch_examples,
            accumulate=settings.accumulate,
            parts=1 if prepared.task.couples_rows else replicas_for(settings, device()),
        )


def _remove_leftovers(folder: Path) -> None:
    """What a killed process was writing."""
    for path in (*folder.glob("features-*"), *folder.glob(".*.partial")):
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def _measure(stack: ExitStack, model: nn.Module, prepared: Prepared, records: list[Record]) -> Validation:
    """Look at the model through the very path that serves: encode, predict, decode, score."""
    predictor: Predictor | None = None

    def measure() -> dict[str, float]:
        nonlocal predictor
        if predictor is None:  # after the parameters have moved into flat storage
            predictor = stack.enter_context(Predictor(TorchNetwork(model), prepared.task, prepared.tokenizer))  # type: ignore[arg-type]
        return values(prepared.task, records, predictor.predict(records))

    name = prepared.task.metrics[0]
    return Validation(measure, name, find(Metric, name).higher_is_better)  # type: ignore[type-abstract]


def _once(batches: Batches, where: torch.device) -> Iterator[Batch]:
    """Every row once, for features that are computed once."""
    for group in batches.groups(0, batches.an_epoch(), where):
        yield from group


def _say_losses(place: Place, encoded: Sequence[Encoded]) -> None:
    """What of the data the model will not see as it is."""
    cut = [item.cut for item in encoded if item.cut]
    if cut:
        place.say(
            f"{place.folder.name}: {len(cut):,} of {len(encoded):,} texts are too long and lose {sum(cut):,} tokens; "
            "raise the task's 'max_length', or set its 'too_long' to split"
        )
    if widened := sum(item.widened for item in encoded):
        place.say(
            f"{place.folder.name}: {widened:,} spans have borders inside a token and are labelled inexactly; "
            "a tokenizer with smaller pieces labels them exactly"
        )


def _say_plan(place: Place, run: Run, task: Task, model: nn.Module, precision: str, held: float) -> None:
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    everything = parameters_of(model)
    begun = f", from step {run.state.step:,}" if run.state.step else ""
    settings = run.settings
    narrow = [f"{len(each.kept):,} of {each.whole:,} words" for each in word_rows(model).values()]
    rows = f" ({', '.join(narrow)}, for no text has the others)" if narrow else ""
    if task.couples_rows and (settings.threads > 1 or settings.accumulate > 1):
        place.say(
            f"{place.folder.name}: the examples of a batch are learnt from one another, so each batch stays whole: "
            "'threads' has no effect, and with 'accumulate' examples see those of their own batch alone"
        )
    place.say(
        f"{place.folder.name}: {everything / 1e6:.2f} M parameters, {trained / 1e6:.2f} M trained{rows}, {precision}, "
        f"{run.total:,} steps, {run.steps_an_epoch:,} in an epoch, {held:.3g} bytes a parameter{begun}"
    )
