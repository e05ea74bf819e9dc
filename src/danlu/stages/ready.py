"""What a training begins with, made step by step: data, tokenizer, task, network, rows, and a step on trial."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import nn

from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.record import Record
from danlu.machine.device import device
from danlu.machine.seed import generator
from danlu.model.fast import prepare_for_training
from danlu.model.heads import unwrapped
from danlu.model.positions import longest_row
from danlu.model.source import Say, Source, unsaid
from danlu.refusal import Refusal
from danlu.stages.sharded import Sharded, sharded
from danlu.stages.sources import Data, bundle_folder, has_split, records_of, tokenizer_of
from danlu.stages.stage import Place, Reference
from danlu.stages.trial import suited
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource
from danlu.train.batches import Batches
from danlu.train.run import replicas_for
from danlu.train.settings import Training
from danlu.tuning.method import Method


@dataclass(frozen=True)
class Learnt:
    """What is learnt from.

    - `records`: all of it, or of shards the first; `count`: how many there are in all.
    """

    records: list[Record]
    count: int
    shards: Sharded | None


@dataclass(frozen=True)
class Prepared:
    """What a model is built from; building twice gives the same weights."""

    source: Source
    tuning: Method
    tokenizer: Tokenizer
    task: Task
    rewriters: list[Rewriter]
    seed: int

    def tuned_model(self, say: Say = unsaid) -> nn.Module:
        """The model with its first weights and what the method adds, in float32; `say` hears what begins fresh."""
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            model = self.source.build(self.task.auto_class, self.tokenizer, self.task.config(), say)
            return self.tuning.apply(model)


@dataclass(frozen=True)
class Ready:
    """All that a training begins with.

    - `limit`: the longest row that the model allows, in tokens; `encoded`: the rows of all records.
    - `model`: in the number format and with the kernels of the training; `precision`: resolved.
    """

    learnt: Learnt
    validation: list[Record]
    prepared: Prepared
    settings: Training
    precision: str
    limit: int
    encoded: Sequence[Encoded]
    model: nn.Module

    def batches(self) -> Batches:
        """The batches of the training, in their order."""
        prepared, settings = self.prepared, self.settings

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


def learnt_from(data: Data | list[Data], task: Task, place: Place) -> Learnt:
    """The records of the training split, or the shards that `data` names."""
    shards = sharded(data, place)
    if shards:
        return Learnt(shards.examples, shards.records, shards)
    records = records_of(data, "train", place, labelled="label" in task.columns)
    return Learnt(records, len(records), None)


def validated_on(data: Data | list[Data], validation: Data | None, task: Task, most: int, place: Place) -> list[Record]:
    """At most so many records that are not learnt from: of `validation`, or of the split of `data`, if it has one."""
    if validation is not None:
        split = "train" if not isinstance(validation, str) else "validation"
        records = records_of(validation, split, place, labelled="label" in task.columns)
    elif has_split(data, "validation", place):
        records = records_of(data, "validation", place)
    else:
        return []
    if len(records) <= most:
        return records
    chosen = generator(place.seed, "validation").permutation(len(records))[:most]
    return [records[row] for row in sorted(chosen.tolist())]


def source_at(model: Source, place: Place) -> Source:
    """The source with the folder of the bundle that its '@stage' stands for."""
    path = model.tokenizer_path()
    if path is None or not path.startswith("@"):
        return model
    return model.model_copy(update={"path": str(bundle_folder(path, place))})


def tokenizer_for(source: Source, tokenizer: Reference | TokenizerSource | None, place: Place) -> Tokenizer:
    """The tokenizer that is asked for, or the model's own.

    Raises:
        Refusal: there is none, or it is learnt from text, which is the work of a stage of its own.
    """
    if tokenizer is None and source.tokenizer_path() is None:
        raise Refusal(
            "a model from scratch needs a tokenizer; write 'tokenizer: \"@NAME\"' with the name of a stage of "
            "kind 'tokenizer'"
        )
    return tokenizer_of(tokenizer, source.tokenizer_path(), place)


def fitted(task: Task, learnt: Learnt) -> Task:
    """The task with what it takes from the data, such as its labels."""
    return learnt.shards.task(task) if learnt.shards else task.fitted(learnt.records)


def network(prepared: Prepared, precision: str, say: Say) -> tuple[nn.Module, Prepared]:
    """The model, tuned and made fast; and what it is built from, with the task as this model can do it.

    Raises:
        Refusal: it cannot.
    """
    built = prepared.tuned_model(say)
    task = suited(built, prepared.task, prepared.tokenizer, say)
    return prepare_for_training(built, precision), replace(prepared, task=task)


def rows_of(learnt: Learnt, prepared: Prepared, model: nn.Module, settings: Training) -> Sequence[Encoded]:
    """The rows of all records; those of shards stay on disk.

    Raises:
        Refusal: a record does not suit the task, or nothing of them can be learnt from.
    """
    limit = longest_row(unwrapped(model))
    room = limit if settings.batch_examples else settings.batch_tokens
    task, tokenizer = prepared.task, prepared.tokenizer
    if learnt.shards:
        rows = learnt.shards.rows(task, tokenizer, limit, room)
    else:
        rows = task.learnable(learnt.records, tokenizer, limit, room)
    if not len(rows):
        raise Refusal("the data gives nothing to train on; look at the survey of the stage that prepared it")
    return rows


def encoded_to_validate(validation: list[Record], prepared: Prepared, limit: int) -> list[Encoded]:
    """The rows of what will be validated on, so that what cannot be is told now, not after an epoch.

    Raises:
        Refusal: one of these records does not suit the task.
    """
    try:
        return prepared.task.encode(validation, prepared.tokenizer, limit, labelled=True)
    except Refusal as refusal:
        raise Refusal(f"validation data, {refusal}") from None
