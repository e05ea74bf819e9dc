"""What a training is planned from: a network without weights, and batches as they will be.

Data, tokenizers and shards that are not there yet are made in a temporary folder by the stages of the recipe, as
`danlu check` does; or the data is not looked at, and rows are made of the task's samples, as long as rows may be.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from torch import nn

from danlu.apps.planning.learnt import learnt_rows, sources_of
from danlu.apps.planning.stand_in import as_long_as, stand_in
from danlu.model.fast import resolve_precision
from danlu.model.heads import unwrapped
from danlu.model.positions import UNBOUNDED, longest_row
from danlu.model.source import Source, unsaid
from danlu.model.sources.pretrained import Pretrained
from danlu.model.sources.student import Student
from danlu.refusal import Refusal
from danlu.stages.kinds.prepare import Prepare
from danlu.stages.kinds.shards import Shards
from danlu.stages.kinds.tokenizer import TokenizerStage
from danlu.stages.kinds.train import Train
from danlu.stages.learners import learners_for
from danlu.stages.ready import Prepared, fitted, learnt_from, source_at, tokenizer_for
from danlu.stages.recipe import Recipe, referenced
from danlu.stages.run import Planned, plan
from danlu.stages.size import outlined
from danlu.stages.sizing import sized
from danlu.stages.sources import rewriters_for, with_segmenters, with_split
from danlu.stages.stage import Place
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.train.batches import Batches
from danlu.train.settings import Training
from danlu.tuning.roles import Roles, begun_roles
from danlu.tuning.teacher import TEACHER

USUAL = 2048  # tokens of a row where nothing in the recipe bounds it
MADE = 4  # batches that are made of samples


@dataclass(frozen=True)
class Material:
    """A training before anything of it is built.

    - `model`: tuned, without weights; `frozen`: the networks of roles, likewise; `shared`: which of these are the
      model itself, with what the method adds switched off.
    - `known`: whether `batches` are those of the data; else they are made of samples, and tell no more than a step.
    - `validated`: whether the best weights are looked for.
    - `place`: where the stage would run, if all that it reads is there.
    - `auto`: whether its size was chosen, by the speed of this machine.
    """

    name: str
    stage: Train
    prepared: Prepared
    model: nn.Module
    frozen: dict[str, nn.Module]
    shared: frozenset[str]
    batches: Batches
    known: bool
    validated: bool
    place: Place | None
    auto: bool = False

    @property
    def settings(self) -> Training:
        """The `train` section."""
        return self.stage.train

    @property
    def roles(self) -> Roles:
        """The loss, with networks that have no weights."""
        return Roles(self.prepared.task, self.frozen)


@dataclass
class _Yard:
    """Where stages lie that are done, or were made for the plan; and what models would be built from.

    - `sources`: of trainings that are not done, the network and the tokenizer that they would leave.
    """

    recipe: Recipe
    temporary: Path
    look: bool
    folders: dict[str, Path] = field(default_factory=dict)
    vocabularies: dict[str, Tokenizer] = field(default_factory=dict)
    sources: dict[str, tuple[Source, Tokenizer]] = field(default_factory=dict)

    def place(self, planned: Planned) -> Place:
        inputs = {name: self.folders[name] for name in referenced(planned.stage) if name in self.folders}
        folder, seed, language = self.temporary / planned.name, self.recipe.seed, self.recipe.spoken
        return Place(folder, inputs, planned.lock.fingerprint, seed, language, lambda _line: None)


def materials(recipe: Recipe, root: Path, only: str | None, *, look: bool) -> Iterator[Material]:
    """Each training of a recipe, or that of one name; with `look` its data is read, and made where it is missing.

    What is made lies in a temporary folder until the next is asked for.

    Raises:
        Refusal: there is no such training, or the data, the tokenizer or the model do not allow it.
    """
    trainings = [name for name, stage in recipe.stages.items() if isinstance(stage, Train)]
    if only is not None and only not in trainings:
        raise Refusal(f"--stage {only}: is no stage that trains; there are: {', '.join(trainings) or 'none'}")
    if not trainings:
        raise Refusal(f"{recipe.name}: has no stage of kind 'train' that could be planned")
    with TemporaryDirectory(prefix="danlu-plan-") as temporary:
        yard = _Yard(recipe, Path(temporary) / recipe.name, look)
        for planned in plan(recipe, root):
            if isinstance(planned.stage, Train):
                material = _material(planned, planned.stage, yard)
                yard.sources[planned.name] = material.prepared.source, material.prepared.tokenizer
                if only in (None, planned.name):
                    yield material
            if planned.done:
                yard.folders[planned.name] = planned.done
            else:
                _make(planned, yard)


def _make(planned: Planned, yard: _Yard) -> None:
    """A stage that trainings read; where data is not looked at, a tokenizer of its size stands in for it."""
    stage = planned.stage
    if isinstance(stage, TokenizerStage) and not yard.look:
        yard.vocabularies[planned.name] = stand_in(stage.tokenizer)
    if not yard.look or not isinstance(stage, Prepare | TokenizerStage | Shards):
        return
    if all(name in yard.folders for name in referenced(stage)):
        place = yard.place(planned)
        place.folder.mkdir(parents=True, exist_ok=True)
        stage.run(place)
        yard.folders[planned.name] = place.folder


def _material(planned: Planned, stage: Train, yard: _Yard) -> Material:
    place = yard.place(planned)
    source, tokenizer = _built_from(stage, yard, place)
    known = yard.look and all(name in yard.folders for name in sources_of(stage))
    learnt = learnt_from(stage.data, stage.task, place) if known else None
    task = with_segmenters(stage.task, place) if known else stage.task
    task = fitted(task, learnt) if learnt else task.fitted(task.sample)
    task = task.shaped(source.shape())
    auto = source.minutes_to_train() is not None
    given = {name: _source(role, yard, place)[0] for name, role in stage.roles.items()}
    begun = begun_roles(task, given)
    learners = {} if auto else learners_for(task, given, source)
    rewriters = rewriters_for(stage.data, place) if known else []
    prepared = Prepared(source, stage.tuning.reading(tokenizer), tokenizer, task, rewriters, place.seed, learners)
    if auto:
        if learnt is None:
            raise Refusal(
                f"{planned.name}: size auto is chosen by the tokens of the data, and with --tokens the data is not "
                "looked at; leave that out, or give the model a size"
            )
        precision = resolve_precision(stage.train.precision)
        prepared, settings = sized(prepared, learnt, stage.train, precision, place, unsaid, given)
        source, stage = prepared.source, stage.model_copy(update={"train": settings})
    model, task = outlined(prepared)
    prepared = replace(prepared, task=task)
    encoded = learnt_rows(learnt, prepared, model, stage, place) if learnt else _made(prepared, model, stage.train)
    inside = prepared.tuning.untouched(model) if begun else None
    as_begun = {name: _begun(prepared) if inside is None else inside for name in begun}
    return Material(
        name=planned.name,
        stage=stage,
        prepared=prepared,
        model=model,
        frozen=_frozen(stage, prepared, yard, place) | as_begun,
        shared=frozenset(as_begun if inside is not None else ()),
        batches=batches_of(encoded, prepared, stage.train),
        known=known,
        validated=stage.validation is not None or not known or bool(with_split(stage.data, "validation", place)),
        place=place if known and all(name in yard.folders for name in referenced(stage)) else None,
        auto=auto,
    )


def _frozen(stage: Train, prepared: Prepared, yard: _Yard, place: Place) -> dict[str, nn.Module]:
    """The networks of roles that have weights of their own, as the recipe gives them."""
    learners = prepared.task.learners
    found = {name: _outlined(role, prepared, yard, place) for name, role in stage.roles.items() if name not in learners}
    if stage.teacher is not None and stage.teacher.speaks:
        found[TEACHER] = _outlined(Pretrained(path=stage.teacher.bundle), prepared, yard, place)
    return found


def _begun(prepared: Prepared) -> nn.Module:
    """The network before it learns, where that is a copy of its own."""
    task = prepared.task
    network = prepared.source.outline(task.auto_class, prepared.tokenizer, task.config())
    return network.requires_grad_(requires_grad=False)


def _built_from(stage: Train, yard: _Yard, place: Place) -> tuple[Source, Tokenizer]:
    """The network, or that of the training that it comes from, and its tokenizer."""
    source, own = _source(stage.model, yard, place)
    named = stage.tokenizer
    if isinstance(named, str) and named[1:] in yard.vocabularies:
        return source, yard.vocabularies[named[1:]]
    if named is None and own is not None:
        return source, own
    return source, tokenizer_for(source, named, place)


def _source(source: Source, yard: _Yard, place: Place) -> tuple[Source, Tokenizer | None]:
    path = source.tokenizer_path() or ""
    before = path[1:].partition(":")[0] if path.startswith("@") else None
    if before in yard.sources and before not in yard.folders:
        if isinstance(source, Student):
            raise Refusal(
                f"model: a student of {path} is made out of what that stage leaves, and it is not done; run the recipe "
                f"with --only {before} first"
            )
        return yard.sources[before]
    return source_at(source, place), None


def _outlined(role: Source, prepared: Prepared, yard: _Yard, place: Place) -> nn.Module:
    found, _ = _source(role, yard, place)
    task = prepared.task
    return found.outline(task.auto_class, prepared.tokenizer, task.config()).requires_grad_(requires_grad=False)


def _made(prepared: Prepared, model: nn.Module, settings: Training) -> list[Encoded]:
    """Rows of the task's samples, as long as they may be, enough for some batches."""
    task, tokenizer = prepared.task, prepared.tokenizer
    longest = longest_row(unwrapped(model))
    room = USUAL if settings.batch_examples else settings.batch_tokens
    limit = min(USUAL if longest >= UNBOUNDED else longest, task.max_length or longest, room)
    cutting = task.model_copy(update={"too_long": "truncate"}) if task.too_long == "stop" else task
    rows = _longest(cutting, tokenizer, limit)
    most = max(len(row) for row in rows)
    full = [row for row in rows if 2 * len(row) > most]
    wanted = MADE * (settings.batch_examples or -(-settings.batch_tokens // most))
    return [replace(full[number % len(full)], record=number) for number in range(wanted)]


def _longest(task: Task, tokenizer: Tokenizer, limit: int) -> Sequence[Encoded]:
    """Rows of the samples, repeated as often as the task allows: a word seldom has more than eight characters."""
    characters = 8 * limit
    while True:
        records = [as_long_as(record, task, characters) for record in task.sample]
        try:
            return task.learnable(records, tokenizer, limit, limit)
        except Refusal:
            if not characters:
                raise
            characters //= 2


def batches_of(encoded: Sequence[Encoded], prepared: Prepared, settings: Training) -> Batches:
    """The batches of one device."""

    def collate(rows: list[Encoded], width: int, rng: np.random.Generator) -> Batch:
        return prepared.task.collate(rows, width, prepared.tokenizer, rng)

    return Batches(
        encoded,
        collate,
        prepared.seed,
        tokens=settings.batch_tokens,
        examples=settings.batch_examples,
        accumulate=settings.accumulate,
        parts=1,
        sizes=lambda rows: prepared.task.sizes(rows, prepared.tokenizer),
    )
