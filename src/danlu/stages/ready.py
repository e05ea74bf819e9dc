"""What a training begins with, made step by step: data, tokenizer, task, network, rows, and a step on trial."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import get_args

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.bundle.manifest import served_by
from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.record import Record
from danlu.machine.device import device
from danlu.machine.ranks import ALONE, Ranks
from danlu.machine.seed import generator
from danlu.model.fast import prepare_for_training
from danlu.model.heads import unwrapped
from danlu.model.new_tokens import say_unlearnt
from danlu.model.own import put_in
from danlu.model.positions import longest_row
from danlu.model.source import Say, Source, unsaid
from danlu.refusal import Refusal
from danlu.stages.learners import with_learners
from danlu.stages.memory import Memory
from danlu.stages.sharded import Sharded, sharded
from danlu.stages.sources import Data, at_place, held_out, records_of, tokenizer_of
from danlu.stages.stage import Place, Reference
from danlu.stages.trial import suited
from danlu.task.task import Task
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource, fingerprint
from danlu.train.batches import Batches, Collate
from danlu.train.dealing import parts_for
from danlu.train.settings import Training
from danlu.tuning.method import Method
from danlu.tuning.roles import Roles, begun_roles


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
    """What a model is built from, and what learns beside it; building twice gives the same weights.

    - `projections`: parameters by which what a student holds meets what its teacher does; nothing of them is left.
    """

    source: Source
    tuning: Method
    tokenizer: Tokenizer
    task: Task
    rewriters: list[Rewriter]
    seed: int
    learners: Mapping[str, Source] = field(default_factory=dict)
    projections: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def own(self) -> dict[str, Tensor]:
        """Parameters that are trained beside those of the networks."""
        return {**self.task.parameters(), **self.projections}

    def base_model(self) -> PreTrainedModel:
        """The model with its first weights, in float32."""
        with self._seeded():
            return self._built(unsaid)

    def tuned_model(self, say: Say = unsaid) -> nn.Module:
        """The same with what the method adds; `say` hears what begins fresh."""
        with self._seeded():
            model = self.tuning.apply(self._built(say))
        say_unlearnt(model, self.tuning.kind, say)
        return model

    def _built(self, say: Say) -> PreTrainedModel:
        return self.source.seeded(self.seed).build(self.task.auto_class, self.tokenizer, self.task.config(), say)

    @contextmanager
    def _seeded(self) -> Iterator[None]:
        with torch.random.fork_rng():
            torch.manual_seed(self.seed)
            yield


@dataclass(frozen=True)
class Ready:
    """All that a training begins with.

    - `limit`: the longest row that the model allows, in tokens; `encoded`: the rows of all records.
    - `model`: in the number format and with the kernels of the training; `precision`: resolved.
    - `roles`: the frozen networks that its loss reads, and that loss.
    - `memory`: what the model knows already and is to retain.
    - `ranks`: the processes that share each step.
    """

    learnt: Learnt
    validation: list[Record]
    prepared: Prepared
    settings: Training
    precision: str
    limit: int
    encoded: Sequence[Encoded]
    model: nn.Module
    roles: Roles
    memory: Memory = field(default_factory=Memory)
    ranks: Ranks = ALONE

    def batches(self) -> Batches:
        """The batches of the training, in their order."""
        prepared, settings = self.prepared, self.settings

        def collating(task: Task) -> Collate:
            return lambda rows, width, rng: self.roles.counted(task.collate(rows, width, prepared.tokenizer, rng))

        def along(number: int) -> Collate:
            return collating(prepared.task.along(share_done(number, settings, made)))

        made = Batches(
            self.encoded,
            collating(prepared.task),
            prepared.seed,
            tokens=settings.batch_tokens,
            examples=settings.batch_examples,
            accumulate=settings.accumulate,
            parts=parts_for(settings, device(), self.ranks.count, whole=prepared.task.couples_rows),
            rank=self.ranks.rank,
            ranks=self.ranks.count,
            along=along,
            sizes=lambda rows: prepared.task.sizes(rows, prepared.tokenizer),
        )
        return made


def share_done(number: int, settings: Training, batches: Batches) -> float:
    """Which share of a training is done before the step of a number: a function of that alone, so resuming is exact."""
    return min(1.0, number / settings.total_steps(batches.an_epoch()))


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
    else:
        records = held_out(data, place)
    if len(records) <= most:
        return records
    if task.answers_by == "generate":
        place.say(
            f"validation: answers to {most:,} of {len(records):,} records are written each time, token by token; "
            "'validation_records' says how many"
        )
    chosen = generator(place.seed, "validation").permutation(len(records))[:most]
    return [records[row] for row in sorted(chosen.tolist())]


def source_at(model: Source, place: Place) -> Source:
    """The source with the folders of the bundles that its '@stage's stand for.

    Raises:
        Refusal: that bundle is a base which an adapter serves, so its weights alone are not the model.
    """
    model = at_place(model, place)
    path = model.tokenizer_path()
    if path is None:
        return model
    if served := served_by(Path(path)):
        raise Refusal(
            f"{path}: is served by its adapter '{served}', which a training cannot begin from; give "
            "the bundle of its base, or one that a method has left which can be merged"
        )
    return model


def roles_for(
    sources: Mapping[str, Source], prepared: Prepared, model: nn.Module, precision: str, place: Place, say: Say
) -> Roles:
    """The frozen networks that the task's loss reads, each of its source, or as `model` was before it learns.

    Raises:
        Refusal: there are more or fewer than the task names, or one has not learnt this task, or reads other tokens.
    """
    task = prepared.task
    sources = {name: source for name, source in sources.items() if name not in task.learners}
    begun = begun_roles(task, sources)
    networks = {name: _role(name, source, prepared, precision, place, say) for name, source in sources.items()}
    for name in begun:
        inside = prepared.tuning.untouched(model)
        how = f"with what '{prepared.tuning.kind}' adds switched off" if inside is not None else "a frozen copy"
        say(f"{name}: the model as it begins, {how}; another one is given under 'roles'")
        networks[name] = _frozen(prepared.base_model(), precision) if inside is None else inside
    return Roles(task, networks)


def _role(name: str, source: Source, prepared: Prepared, precision: str, place: Place, say: Say) -> nn.Module:
    """The network of a role, of its source."""
    found = source_at(source, place)
    path = found.tokenizer_path()
    if path is None or fingerprint(tokenizer_for(found, None, place)) != fingerprint(prepared.tokenizer):
        raise Refusal(
            f"roles.{name}: has no tokenizer, or another one than the network that learns, so rows would mean "
            "something else to it; give one that was trained with the same"
        )
    first, second = (replace(prepared, source=found, seed=seed).base_model() for seed in (0, 1))
    weights = dict(second.named_parameters())
    fresh = [key for key, value in first.named_parameters() if not torch.equal(value, weights[key])]
    if fresh:
        raise Refusal(
            f"roles.{name}: {path} holds no weights that fit '{fresh[0]}', so it has not learnt {prepared.task.kind} "
            "with these labels; give a network that has"
        )
    known = first.config.architectures or [type(first).__name__]
    if prepared.task.auto_class != "AutoModel" and type(first).__name__ not in known:
        raise Refusal(
            f"roles.{name}: {path} holds a {known[0]}, which has not learnt {prepared.task.kind}, though its weights "
            f"fit into a {type(first).__name__}; give a network that has"
        )
    del second, weights
    say(f"{name}: {path}, frozen, {sum(value.numel() for value in first.parameters()) / 1e6:.2f} M parameters")
    return _frozen(first, precision)


def _frozen(model: PreTrainedModel, precision: str) -> nn.Module:
    return prepare_for_training(model.requires_grad_(requires_grad=False), precision).eval()


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
    own = task.parameters()
    if own and prepared.source.tokenizer_path() is not None:  # a folder has the network alone
        say(f"{', '.join(own)}: of the task {task.kind} itself, so it begins as the recipe says, not as it was learnt")
    whole = with_learners(put_in(built, own), replace(prepared, task=task), say)
    if not any(parameter.requires_grad for parameter in whole.parameters()):
        raise Refusal(
            f"tuning '{prepared.tuning.kind}' finds nothing to train, for the model has no head and the task "
            f"{task.kind} gives it none; use full or lora"
        )
    return prepare_for_training(whole, precision), replace(prepared, task=task)


def rows_of(learnt: Learnt, prepared: Prepared, model: nn.Module, settings: Training) -> Sequence[Encoded]:
    """The rows of all records; those of shards stay on disk.

    Raises:
        Refusal: a record does not suit the task, or nothing of them can be learnt from.
    """
    limit = longest_row(unwrapped(model))
    room = 0 if settings.batch_examples else settings.batch_tokens
    task, tokenizer = prepared.task, prepared.tokenizer
    if learnt.shards:
        rows = learnt.shards.rows(task, tokenizer, limit, room)
    else:
        rows = task.learnable(learnt.records, tokenizer, limit, room)
    if not len(rows) and learnt.count:
        raise Refusal(
            f"nothing of the {learnt.count:,} records is left to train on, for what is to be learnt of them does not "
            f"fit in a row of {min(limit, task.max_length or limit):,} tokens; shorten them, raise the task's "
            "'max_length', or take a model with longer rows"
        )
    if not len(rows):
        raise Refusal("the data gives nothing to train on; look at the survey of the stage that prepared it")
    return rows


def seen_of(encoded: Sequence[Encoded]) -> int:
    """How many records stand in the rows; of rows that several share, how many documents."""
    together = [item for item in encoded if item.rows[0].segments is not None]
    apart = {item.record for item in encoded if item.rows[0].segments is None}
    return len(apart) + sum(int(item.rows[0].segments[-1]) + 1 for item in together)  # type: ignore[index, misc]


def can_split(task: Task) -> bool:
    """Whether the task reads a text that is too long in several windows."""
    return "split" in get_args(type(task).model_fields["too_long"].annotation)
