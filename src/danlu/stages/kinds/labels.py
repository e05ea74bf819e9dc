"""Rank the training records by how probably their label is wrong, and leave out the worst if that is asked."""

from pydantic import Field

from danlu.bundle.bundle import load as load_bundle
from danlu.data.augmenting.augment import given, without_rows
from danlu.data.corpus.prepared import load, save_split
from danlu.data.wrong_labels.out_of_sample import out_of_sample
from danlu.data.wrong_labels.suspects import export, labels_in, shares_of, suspects, warnings_of
from danlu.language import translator
from danlu.machine.files import copy_file
from danlu.stages.sources import bundle_folder
from danlu.stages.stage import Place, Reference, Stage


class LabelsStage(Stage):
    """Prepared data to the same with `suspects.csv`, the worst first, and without the worst training records."""

    data: Reference = Field(description="'@stage' that prepared the data")
    text: str = Field(default="text", description="column that holds the text")
    bundle: str | None = Field(
        default=None, description="a classifier that has not learnt from these rows; None: held-out parts in turn"
    )
    drop: float = Field(default=0.0, ge=0, lt=0.5, description="share of the training records to leave out")
    folds: int = Field(default=5, ge=2, le=20, description="parts that are held out in turn")

    def inputs(self) -> list[str]:
        """The bundle's folder, where it is no stage's; see `Part.inputs`."""
        return [] if self.bundle is None or self.bundle.startswith("@") else [self.bundle]

    def run(self, place: Place) -> None:
        """Rank and write; validation and test records stay as they are; see `Stage.run`."""
        folder = place.path(self.data)
        records = load(folder, "train")
        texts, labels = labels_in(given(records), self.text)  # a copy of a row would vouch for its label
        if self.bundle is None:
            shares = out_of_sample(texts, labels, folds=self.folds, seed=place.seed)
        else:
            predicted = load_bundle(bundle_folder(self.bundle, place)).predict(texts)
            shares = shares_of(predicted, sorted(set(labels)))
        found = suspects(texts, labels, shares)
        place.folder.mkdir(parents=True, exist_ok=True)
        export(place.folder / "suspects.csv", found)
        left_out = {suspect.row - 1 for suspect in found[: round(self.drop * len(found))]}
        for file in sorted(folder.iterdir()):
            if file.suffix in (".parquet", ".json") and file.name != "train.parquet":
                copy_file(file, place.folder / file.name)
        save_split(place.folder, "train", without_rows(records, left_out))
        _ = translator(place.language)
        place.say(
            _("{rows:,} labels: about {wrong:,} wrong, {dropped:,} left out; suspects.csv has the worst first").format(
                rows=len(found), wrong=sum(suspect.wrong for suspect in found), dropped=len(left_out)
            )
        )
        for warning in warnings_of(found, place.language):
            place.say(f"! {warning}")
