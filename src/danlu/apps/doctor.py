"""The doctor: what a recipe would do, looked at before its first step.

Data and tokenizers that are missing or changed are made in a temporary folder, by the very stages of the recipe, and
training goes up to a few steps of rate 0; so what is told is what a run does. Nothing in `runs` is touched.
"""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from pydantic import TypeAdapter

from danlu.apps.survey import shared
from danlu.data.augmenter import SOURCE_ROW
from danlu.data.dedup import find_clusters, texts_of
from danlu.data.prepared import SPLITS, load, load_survey
from danlu.data.record import Record
from danlu.data.survey import Lengths, Survey, lengths
from danlu.machine.seed import generator
from danlu.model.quiet import quiet
from danlu.refusal import Refusal
from danlu.stages.kinds.prepare import Prepare
from danlu.stages.kinds.segmenter import Segmenter as SegmenterStage
from danlu.stages.kinds.shards import Shards
from danlu.stages.kinds.tokenizer import Tokenizer as TokenizerStage
from danlu.stages.kinds.train import Ready, Train
from danlu.stages.recipe import Recipe, referenced
from danlu.stages.run import Planned, plan
from danlu.stages.stage import Place
from danlu.task.predict import Predictor
from danlu.task.readable import Row, readable
from danlu.text.windows import tokenized
from danlu.train.dry_run import DryRun, dry_run

TEXTS = 20_000  # records whose tokens are looked at for unknown ones
VALIDATED = 64  # validation records that are timed
SHOWN = 3  # rows of the first batch


@dataclass(frozen=True)
class Data:
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
class Tokens:
    """What becomes of the training texts.

    - `lengths`: of the encoded rows, in tokens, special ones included; `limit`: the most that a row may have.
    - `cut_records`, `cut`: records that lose their ends, and how many tokens these are, of `total`.
    - `split_records`: records that are read in several windows.
    - `widened`: spans with borders inside a token, which are not labelled exactly.
    - `unlearnt`: rows in which the loss counts nothing.
    - `unknown_share`: of the tokens; `unknown`: the commonest texts that the tokenizer does not know.
    """

    rows: int
    total: int
    lengths: Lengths
    limit: int
    cut_records: int
    cut: int
    split_records: int
    widened: int
    unlearnt: int
    unknown_share: float
    unknown: dict[str, int]


@dataclass(frozen=True)
class Training:
    """What a train stage would do; `validation_seconds` is what all its validations take together."""

    task: str
    records: int
    validation: int
    precision: str
    parameters: int
    trained: int
    tokens: Tokens
    batch: list[Row]
    dry: DryRun
    validation_seconds: float


@dataclass(frozen=True)
class Checked:
    """A stage of the recipe: what a run would do with it, what was found, or why a run would stop there."""

    planned: Planned
    found: Data | Training | None = None
    refused: str | None = None


@dataclass
class _Ward:
    """Where the stages lie: in the run's folder if they are done, else in the temporary one."""

    recipe: Recipe
    temporary: Path
    folders: dict[str, Path] = field(default_factory=dict)

    def place(self, planned: Planned) -> Place:
        inputs = {name: self.folders[name] for name in referenced(planned.stage)}
        folder = self.folders[planned.name]
        recipe = self.recipe
        return Place(folder, inputs, planned.lock.fingerprint, recipe.seed, recipe.language, lambda _line: None)


def examine(recipe: Recipe, root: Path = Path("runs")) -> Iterator[Checked]:
    """Look at each stage in order; what a run would refuse is told in `refused`, and what needs it is left out.

    Raises `Refusal` for a lock that cannot be read.
    """
    with TemporaryDirectory(prefix="danlu-check-") as temporary:
        ward = _Ward(recipe, Path(temporary) / recipe.name)
        needed = [name for stage in recipe.stages.values() for name in referenced(stage)]
        for planned in plan(recipe, root):
            if any(name not in ward.folders for name in referenced(planned.stage)):
                yield Checked(planned)
                continue
            done = planned.outlook == "skip"
            ward.folders[planned.name] = planned.folder if done else ward.temporary / planned.name
            try:
                found = _looked_at(planned, ward, done, stands_in=planned.name in needed)
            except Refusal as refusal:
                del ward.folders[planned.name]
                yield Checked(planned, refused=str(refusal))
                continue
            yield Checked(planned, found)


def _looked_at(planned: Planned, ward: _Ward, done: bool, *, stands_in: bool) -> Data | Training | None:
    stage, place = planned.stage, ward.place(planned)
    made = isinstance(stage, Prepare | TokenizerStage)
    made |= stands_in and isinstance(stage, Shards | SegmenterStage)
    if made and not done:
        place.folder.mkdir(parents=True, exist_ok=True)
        stage.run(place)
    if isinstance(stage, Prepare):
        return _data(stage, place.folder)
    if not isinstance(stage, Train) or done:
        return None
    with quiet():
        ready = stage.ready(place)
        found = _training(stage, ready)
        if stands_in:
            _stand_in(stage, ready, place.folder / "bundle")
    return found


def _stand_in(stage: Train, ready: Ready, folder: Path) -> None:
    """A model of the same shape without training, for the stages that build on this one."""
    stage.tuning.merge(ready.prepared.tuned_model()).save_pretrained(folder)
    ready.prepared.tokenizer.save_pretrained(folder)


def _data(stage: Prepare, folder: Path) -> Data:
    splits = {name: load(folder, name) for name in SPLITS if (folder / f"{name}.parquet").is_file()}
    texts = [text for records in splits.values() for text in texts_of(records, stage.compared)]
    origins = np.repeat(list(splits), [len(records) for records in splits.values()])
    clusters = find_clusters(texts, stage.similarity)

    return Data(
        survey=TypeAdapter(Survey).validate_python(load_survey(folder)),
        rows={name: len(records) for name, records in splits.items()},
        augmented=sum(SOURCE_ROW in record for record in splits["train"]),
        labels={name: _labels(records) for name, records in splits.items()},
        leaked=shared(clusters, origins),
    )


def _labels(records: list[Record]) -> dict[str, int]:
    """Counts of labels, each of several counted, or of entities."""
    counts: Counter[str] = Counter()
    for record in records:
        label = record.get("label", record.get("labels"))
        if isinstance(label, str):
            counts[label] += 1
        elif isinstance(label, list):
            counts.update(map(str, label))
        counts.update(str(entity["label"]) for entity in record.get("entities", ()))
        counts.update(tag[2:] for tag in record.get("tags", ()) if tag.startswith("B-"))
    return dict(counts.most_common())


def _training(stage: Train, ready: Ready) -> Training:
    prepared, batches = ready.prepared, ready.batches()
    tokens = _tokens(ready)
    group = next(batches.groups(0, 1, next(ready.model.parameters()).device))
    batch = readable(group[0], prepared.task, prepared.tokenizer, SHOWN)
    counts = [parameter.numel() for parameter in ready.model.parameters()]
    trained = [parameter.numel() for parameter in ready.model.parameters() if parameter.requires_grad]
    validating = _validating(ready)
    features = stage.tuning.freezes_trunk
    measured = dry_run(
        ready.model, batches, prepared.task.loss, stage.train, precision=ready.precision, features=features
    )
    every = stage.train.evaluate or measured.steps_an_epoch
    return Training(
        task=prepared.task.kind,
        records=len(ready.records),
        validation=len(ready.validation),
        precision=ready.precision,
        parameters=sum(counts),
        trained=sum(trained),
        tokens=tokens,
        batch=batch,
        dry=measured,
        validation_seconds=validating * -(-measured.steps // every),
    )


def _tokens(ready: Ready) -> Tokens:
    task, encoded = ready.prepared.task, ready.encoded
    sizes = [len(item) for item in encoded]
    unknown, share = _unknown(ready)
    windows = Counter(item.record for item in encoded if item.segments is None)
    return Tokens(
        rows=len(encoded),
        total=sum(sizes),
        lengths=lengths(sizes),
        limit=min(ready.limit, task.max_length or ready.limit),
        cut_records=sum(item.cut > 0 for item in encoded),
        cut=sum(item.cut for item in encoded),
        split_records=sum(count > 1 for count in windows.values()),
        widened=sum(item.widened for item in encoded),
        unlearnt=sum(isinstance(item.labels, np.ndarray) and not (item.labels >= 0).any() for item in encoded),
        unknown_share=share,
        unknown=unknown,
    )


def _unknown(ready: Ready) -> tuple[dict[str, int], float]:
    """The commonest texts without a token, and the share of such tokens, in up to `TEXTS` records."""
    tokenizer, records = ready.prepared.tokenizer, ready.records
    if tokenizer.unk_token_id is None:
        return {}, 0.0
    if len(records) > TEXTS:
        drawn = generator(ready.prepared.seed, "check").permutation(len(records))[:TEXTS]
        records = [records[row] for row in drawn.tolist()]
    texts = [_text(record) for record in records]
    counts: Counter[str] = Counter()
    total = 0
    for text, encoding in zip(texts, tokenized(texts, tokenizer), strict=True):
        ids = np.array(encoding.ids)
        total += len(ids) - sum(encoding.special_tokens_mask)
        for place in np.flatnonzero(ids == tokenizer.unk_token_id).tolist():
            start, end = encoding.offsets[place]
            counts[text[start:end]] += 1
    return dict(counts.most_common(12)), counts.total() / max(1, total)


def _text(record: Record) -> str:
    told = [value for name, value in record.items() if isinstance(value, str) and name != "label"]
    return " ".join([*told, *map(str, record.get("tokens", ()))])


def _validating(ready: Ready) -> float:
    """Seconds of one validation, from a few of its records."""
    some = ready.validation[:VALIDATED]
    if not some:
        return 0.0
    with Predictor(ready.model, ready.prepared.task, ready.prepared.tokenizer) as predictor:  # type: ignore[arg-type]
        predictor.predict(some[:8])  # the first one is slower
        begun = time.perf_counter()
        predictor.predict(some)
    return (time.perf_counter() - begun) * len(ready.validation) / len(some)
