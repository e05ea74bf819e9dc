"""Score a bundle on a test split, beside a classical baseline that learns from the training split."""

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from danlu.bundle.bundle import Bundle, load
from danlu.data.corpus.prepared import load as load_prepared
from danlu.data.record import Record
from danlu.evaluate.classical.baseline import Baseline
from danlu.evaluate.perturbing.perturbation import Perturbation
from danlu.evaluate.perturbing.terms import SAMPLES, read_groups
from danlu.evaluate.reporting.told import told
from danlu.evaluate.scoring.examine import examine, with_more, write
from danlu.evaluate.scoring.metric import unknown_metric
from danlu.evaluate.scoring.otherwise import asked_otherwise_too
from danlu.evaluate.scoring.resample import FEWEST, MOST
from danlu.language import translator
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.stages.sources import Data, at_place, bundle_folder, records_of
from danlu.stages.stage import Place, Stage


class Evaluate(Stage):
    """A bundle and records to `scores.json`, `errors.jsonl` and `answers.jsonl`."""

    bundle: str = Field(description="'@stage' that trained it, or the folder of a bundle")
    data: Data = Field(description="'@stage:split', or files; '@stage' alone is its test split")
    baseline: Literal["auto", "none"] | Baseline = Field(
        default="auto", description="what to compare with; auto: what the task names, learnt from the training split"
    )
    adapter: str | None = Field(default=None, description="name of the bundle's adapter; None: what serves")
    precision: Literal["auto", "float32", "bfloat16"] | None = Field(
        default=None, description="what to compute in; None: as the bundle says"
    )
    metrics: tuple[str, ...] = Field(default=(), description="what to measure beside the metrics that the task names")
    resamples: int = Field(default=1000, ge=FEWEST, le=MOST, description="draws of the bootstrap behind the intervals")
    errors: int = Field(default=200, ge=0, description="how many of the worst errors to keep")
    under: list[Perturbation] = Field(
        default=[], description="changes under which the same records are asked as well, such as typos or homophones"
    )
    swap: str | None = Field(
        default=None, description="file of groups of terms that take each other's place in the records; en, zh: samples"
    )

    @field_validator("metrics")
    @classmethod
    def _metrics_are_known(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if unknown := unknown_metric(name):
                raise ValueError(unknown)
        return value

    slices: Literal["auto", "none"] | tuple[str, ...] = Field(
        default="auto",
        description="columns whose values are looked at for weak slices, beside length, script, label, rare words and "
        "words; auto: those of few values; none: no slice is looked for",
    )

    outside: Data | None = Field(
        default=None,
        description="texts that the model was not made for, '@stage:split' or files: how well are they told apart?",
    )

    def inputs(self) -> list[str]:
        """The bundle's folder, where it is no stage's, and the file of terms; see `Part.inputs`."""
        named = [] if self.bundle.startswith("@") else [self.bundle]
        return named + ([self.swap] if self.swap and self.swap not in SAMPLES else [])

    def run(self, place: Place) -> None:
        """Predict, score and write; see `Stage.run`. Nothing is left half-written, so nothing is resumed."""
        groups = read_groups(self.swap) if self.swap else None
        bundle = load(bundle_folder(self.bundle, place), self.precision, adapter=self.adapter)
        records = self._records_of(self.data, "test", place, labelled="label" in bundle.task.columns)
        baseline, train = self._rival(bundle, place)
        found = examine(
            bundle.task,
            bundle.stream,
            records,
            metrics=self.metrics,
            baseline=baseline,
            train=train,
            resamples=self.resamples,
            seed=place.seed,
            errors=self.errors,
            split=self._split,
            slices={"auto": (), "none": None}[self.slices] if isinstance(self.slices, str) else self.slices,
        )
        others = None if self.outside is None else self._records_of(self.outside, "test", place, labelled=False)
        how = {"resamples": self.resamples, "seed": place.seed}
        found = with_more(found, bundle.predictor, records, others, **how)
        found = asked_otherwise_too(
            found,
            bundle.task,
            bundle.stream,
            records,
            under=[at_place(each, place) for each in self.under],
            groups=groups,
            metrics=self.metrics,
            **how,
        )
        write(place.folder, found)
        for line in told(found.to_plain(), place.language):
            place.say(line)

    @property
    def _split(self) -> str | None:
        """The split of prepared data that is asked; None of files."""
        return (self.data.partition(":")[2] or "test") if isinstance(self.data, str) else None

    def _records_of(self, data: Data, split: str, place: Place, *, labelled: bool) -> list[Record]:
        if not isinstance(data, str):
            return records_of(data, "train", place, labelled=labelled)  # files as they are have no other split
        return load_prepared(place.path(data), data.partition(":")[2] or split)

    def _rival(self, bundle: Bundle, place: Place) -> tuple[Baseline | None, list[Record]]:
        """The baseline and the records that it learns from, where there are both."""
        kind = bundle.task.baseline
        if self.baseline == "none" or (self.baseline == "auto" and kind is None):
            return None, []
        if self.baseline == "auto" and self._split == "train":
            return None, []  # it would be asked what it has learnt
        folder = place.path(self.data) if isinstance(self.data, str) else Path()
        if not isinstance(self.data, str) or not (folder / "train.parquet").is_file():
            if isinstance(self.baseline, Baseline):
                raise Refusal(
                    f"The baseline '{self.baseline.kind}' learns from the training split, and 'data' has none; "
                    "write data: '@stage:test' with a stage that prepares data, or baseline: none."
                )
            place.say(translator(place.language)("no baseline: there is no training split beside the data"))
            return None, []
        if isinstance(self.baseline, Baseline):
            return self.baseline, load_prepared(folder, "train")
        assert kind is not None
        return find(Baseline, kind)(), load_prepared(folder, "train")  # type: ignore[type-abstract]
