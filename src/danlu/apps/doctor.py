"""The doctor: what a recipe would do, looked at before its first step.

What a training reads (data, tokenizers, shards) is made in a temporary folder where it is missing or changed, by the
very stages of the recipe, and training goes up to a few steps of rate 0; so what is told is what a run does. What takes
a trained model is left out, and for what a teacher is yet to write the texts that are there stand in. Nothing in `runs`
is touched.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import TypeAdapter

from danlu.apps.data_profile import shared
from danlu.apps.doctor_tokens import Tokens, tokens_of
from danlu.data.augmenting.augmenter import SOURCE_ROW
from danlu.data.corpus.ingest import Ingest, raw_chunks
from danlu.data.corpus.prepared import SPLITS, load_survey, stream
from danlu.data.corpus.spool import Spool, spooled_clusters
from danlu.data.corpus.survey import Survey, counted_labels
from danlu.data.record import Record, entity_labels
from danlu.engine.engines.torch import TorchNetwork
from danlu.engine.predict import Predictor
from danlu.machine.quiet import quiet
from danlu.model.kernels import own_choices
from danlu.refusal import Refusal
from danlu.stages.kinds.code import Code
from danlu.stages.kinds.continual import Continual
from danlu.stages.kinds.evaluate import Evaluate
from danlu.stages.kinds.labels import LabelsStage
from danlu.stages.kinds.prepare import Prepare
from danlu.stages.kinds.segmenter import SegmenterStage
from danlu.stages.kinds.teach import Teach
from danlu.stages.kinds.tokenizer import TokenizerStage
from danlu.stages.kinds.train import Train
from danlu.stages.kinds.triples import Triples
from danlu.stages.ready import Ready
from danlu.stages.recipe import Recipe, referenced
from danlu.stages.run import Planned, plan
from danlu.stages.size import rehearsed, work_of
from danlu.stages.stage import Place, Stage
from danlu.task.readable import Row, readable
from danlu.text.tokenizing.folder import save_tokenizer
from danlu.train.counts import Size, Work, count_parameters
from danlu.train.dry_run import DryRun

VALIDATED = 64  # validation records that are timed
SHOWN = 3  # rows of the first batch

_ASKING = (LabelsStage, SegmenterStage, Teach)
"""Stages that have a bundle answer."""

_MEASURING = (Evaluate, Code, Triples)
"""Stages of which nothing is looked at."""

_NOT_RUN = (Train, Continual, Teach, *_MEASURING)
"""Stages that are not run where another reads them, for they take longer than to prepare data."""


@dataclass(frozen=True)
class DataFacts:
    """What a prepare stage gives.

    - `rows`: by split; `augmented`: rows of train that an augmenter made.
    - `labels`: counts of labels, or of entities where there are no labels, by split.
    - `leaked`: of validation and test, the shares of rows whose text stands in train: equal, and equal or alike.
    """

    survey: Survey
    rows: dict[str, int]
    augmented: int
    labels: dict[str, dict[str, int]]
    leaked: dict[str, tuple[float, float]]


@dataclass(frozen=True)
class TrainingFacts:
    """What a train stage would do; `validation_seconds` is what all its validations take together."""

    task: str
    records: int
    validation: int
    precision: str
    size: Size
    work: Work | None
    tokens: Tokens
    batch: list[Row]
    dry: DryRun
    validation_seconds: float


@dataclass(frozen=True)
class Checked:
    """A stage of the recipe: what a run would do with it, what was found, or why a run would stop there.

    - `needs`: the model that has to be trained before this stage can be looked at.
    - `untaught`: whether texts that are there stand in for those that a teacher is yet to write.
    """

    planned: Planned
    found: DataFacts | TrainingFacts | None = None
    refused: str | None = None
    needs: str | None = None
    untaught: bool = False


@dataclass
class _Ward:
    """Where the stages lie: in the run's folder if they are done, else in the temporary one.

    - `untrained`: models that an equal one stands in for; `absent`: what nothing stands in for, with the model that has
      to be trained before it is there.
    """

    recipe: Recipe
    temporary: Path
    folders: dict[str, Path] = field(default_factory=dict)
    untrained: list[str] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)

    def place(self, planned: Planned) -> Place:
        inputs = {name: self.folders[name] for name in referenced(planned.stage)}
        folder = self.folders[planned.name]
        recipe = self.recipe
        return Place(folder, inputs, planned.lock.fingerprint, recipe.seed, recipe.spoken, lambda _line: None)

    def needed(self, stage: Stage) -> str | None:
        """The model that has to be trained before a stage can be looked at: what stands in for one is no bundle."""
        if isinstance(stage, _MEASURING):
            return None
        asked = stage.teacher if isinstance(stage, Train) else stage if isinstance(stage, _ASKING) else None
        untrained = [name for name in (referenced(asked) if asked else ()) if name in self.untrained]
        absent = [self.absent[name] for name in referenced(stage) if name in self.absent]
        return next(iter(untrained + absent), None)


def diagnose(recipe: Recipe, root: Path = Path("runs")) -> Iterator[Checked]:
    """Look at each stage in order; what a run would refuse is told in `refused`, and what needs it is left out.

    Raises `Refusal` for a lock that cannot be read.
    """
    with TemporaryDirectory(prefix="danlu-check-") as temporary:
        ward = _Ward(recipe, Path(temporary) / recipe.name)
        needed = [name for stage in recipe.stages.values() for name in referenced(stage)]
        for planned in plan(recipe, root):
            if not planned.done and (needs := ward.needed(planned.stage)):
                ward.absent[planned.name] = needs
                yield Checked(planned, needs=needs)
                continue
            if not planned.done and isinstance(planned.stage, Continual):
                ward.absent[planned.name] = planned.name
            if any(name not in ward.folders for name in referenced(planned.stage)):
                yield Checked(planned)
                continue
            ward.folders[planned.name] = planned.done or ward.temporary / planned.name
            if isinstance(planned.stage, Train) and not planned.done:
                ward.untrained.append(planned.name)
            try:
                found = _looked_at(planned, ward, stands_in=planned.name in needed)
            except Refusal as refusal:
                del ward.folders[planned.name]
                yield Checked(planned, refused=str(refusal))
                continue
            untaught = isinstance(planned.stage, Teach) and planned.name in needed and not planned.done
            yield Checked(planned, found, untaught=untaught)


def _looked_at(planned: Planned, ward: _Ward, *, stands_in: bool) -> DataFacts | TrainingFacts | None:
    stage, place = planned.stage, ward.place(planned)
    if (
        isinstance(stage, Prepare | TokenizerStage) or (stands_in and not isinstance(stage, _NOT_RUN))
    ) and not planned.done:
        place.folder.mkdir(parents=True, exist_ok=True)
        stage.run(place)
    elif stands_in and isinstance(stage, Teach) and not planned.done:
        stage.untaught(place)
    if isinstance(stage, Prepare):
        return _data(stage, place.folder)
    if not isinstance(stage, Train) or planned.done:
        return None
    with quiet(), own_choices():
        ready = stage.ready(place)
        found = _training(stage, ready)
        if stands_in and stage.tuning.mergeable:
            _stand_in(stage, ready, place.folder / "bundle")
    return found


def _stand_in(stage: Train, ready: Ready, folder: Path) -> None:
    """A model of the same shape without training, for the stages that build on this one."""
    stage.tuning.merge(ready.prepared.tuned_model()).save_pretrained(folder)
    save_tokenizer(ready.prepared.tokenizer, folder)


def _data(stage: Prepare, folder: Path) -> DataFacts:
    """What a prepare stage has left, read as a stream: its rows go through the same files as those of the stage."""
    counts = {name: _Counts() for name in SPLITS if (folder / f"{name}.parquet").is_file()}
    with TemporaryDirectory(prefix="danlu-check-") as scratch:
        ingest = Ingest(Path(scratch), stage.compared, stage.similarity)
        read = ((name, name, _counted(folder, name, counts[name])) for name in counts)
        chunks = list(stage.executor.map(ingest, raw_chunks(read, stage.compared)))
        spool = Spool(Path(scratch), chunks, stage.compared)
        clusters = spooled_clusters(spool, stage.similarity, stage.executor)
        origins = np.repeat([chunk.origin for chunk in chunks], [chunk.rows for chunk in chunks])
        leaked = shared(clusters, origins)
    return DataFacts(
        survey=TypeAdapter(Survey).validate_python(load_survey(folder)),
        rows={name: count.rows for name, count in counts.items()},
        augmented=counts["train"].augmented,
        labels={name: dict(count.labels.most_common()) for name, count in counts.items()},
        leaked=leaked,
    )


@dataclass
class _Counts:
    """What one split holds, counted as it goes by."""

    rows: int = 0
    augmented: int = 0
    labels: Counter[str] = field(default_factory=Counter)


def _counted(folder: Path, split: str, counts: _Counts) -> Iterator[Record]:
    for records in stream(folder, split):
        counts.rows += len(records)
        counts.augmented += sum(SOURCE_ROW in record for record in records)
        counts.labels += counted_labels(records)
        counts.labels.update(label for record in records for label in entity_labels(record))
        yield from records


def _training(stage: Train, ready: Ready) -> TrainingFacts:
    prepared, batches = ready.prepared, ready.batches()
    tokens = tokens_of(ready)
    group = next(batches.groups(0, 1, next(ready.model.parameters()).device))
    batch = readable(group[0], prepared.task, prepared.tokenizer, SHOWN)
    work = work_of(ready, batches)
    validating = _validating(ready)
    measured = rehearsed(ready, batches, sizes=not prepared.task.couples_rows)
    stage.tuning.groups(ready.model, measured.steps)  # what it refuses is told now
    every = stage.train.evaluate or measured.steps_an_epoch
    return TrainingFacts(
        task=prepared.task.kind,
        records=ready.learnt.count,
        validation=len(ready.validation),
        precision=ready.precision,
        size=count_parameters(ready.model),
        work=work,
        tokens=tokens,
        batch=batch,
        dry=measured,
        validation_seconds=validating * -(-measured.steps // every),
    )


def _validating(ready: Ready) -> float:
    """Seconds of one validation, from a few of its records."""
    some = ready.validation[:VALIDATED]
    if not some:
        return 0.0
    with Predictor(TorchNetwork(ready.model), ready.prepared.task, ready.prepared.tokenizer) as predictor:  # type: ignore[arg-type]
        predictor.predict(some[:8])  # the first one is slower
        begun = time.perf_counter()
        predictor.predict(some)
    return (time.perf_counter() - begun) * len(ready.validation) / len(some)
