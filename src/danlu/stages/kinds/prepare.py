"""Read data, survey it, drop what repeats, and split it so that nothing alike stands on both sides."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from danlu.data.augmentation import augmented, refuse_augmented
from danlu.data.augmenter import Augmenter
from danlu.data.dedup import Clusters, Rows, drop_duplicates, find_clusters, texts_of
from danlu.data.format import Format
from danlu.data.prepared import SPLITS, save
from danlu.data.record import Record, text_of
from danlu.data.split import split
from danlu.data.survey import in_words, survey
from danlu.language import translator
from danlu.machine.seed import generator
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.stages.sources import at_place
from danlu.stages.stage import Place, Stage

Sources = Format | list[Format]


class Shares(Part):
    """Shares of the records; what is left is for training."""

    validation: float = Field(default=0.1, ge=0, lt=1)
    test: float = Field(default=0.1, ge=0, lt=1)

    @model_validator(mode="after")
    def _leave_some(self) -> "Shares":
        if self.validation + self.test >= 1:
            raise PydanticCustomError("shares", "validation and test take everything; leave a share for training")
        return self


class Prepare(Stage):
    """Data from files to `train.parquet`, `validation.parquet`, `test.parquet` and `survey.json`."""

    data: Sources = Field(description="where the records come from")
    validation: Sources | None = Field(default=None, description="a validation set that exists; it is kept as it is")
    test: Sources | None = Field(default=None, description="a test set that exists; it is kept as it is")
    text: str = Field(default="text", description="column by which records are compared")
    dedup: Literal["none", "exact", "near"] = Field(default="near", description="which repeated records to drop")
    similarity: float = Field(default=0.8, ge=0.3, le=1, description="Jaccard similarity from which texts are alike")
    conflicts: Literal["drop", "keep"] = Field(
        default="drop", description="what to do with equal texts that have different labels"
    )
    minimum_characters: int = Field(default=1, ge=0, description="drop shorter texts")
    minimum_label_count: int = Field(default=1, ge=1, description="drop records whose label is rarer")
    split: Shares = Shares()
    stratify: str = Field(
        default="auto", description="column to split each value of by itself; auto: 'label', if all have one; none"
    )

    augment: list[Augmenter] = Field(default=[], description="makes more rows, for training alone, after the split")

    def run(self, place: Place) -> None:
        """Prepare the data anew; see `Stage.run`. Nothing is left half-written, so nothing is resumed."""
        given = {"test": self.test, "validation": self.validation}
        records: list[Record] = []
        origins: list[str] = []
        empty = 0
        for name, sources in [*given.items(), ("train", self.data)]:
            read = _read(sources, self.text)
            if name != "train" or self.split.validation or self.split.test:
                refuse_augmented(read, "data" if name == "train" else name)
            filled = [record for record in read if text_of(record, self.text).strip()]
            empty += len(read) - len(filled)
            records += filled
            origins += [name] * len(filled)
        if "train" not in origins:
            raise Refusal(f"the column '{self.text}' is empty in all {empty} records; name the right one in 'text'")
        clusters = find_clusters(texts_of(records, self.text), self.similarity)
        found = survey(records, clusters, generator(place.seed, "survey"), empty_rows=empty, column=self.text)
        for line in in_words(found, place.language):
            place.say(line)
        rows = self._kept(records, clusters, np.array(origins), place)
        dealt = self._split([records[row] for row in rows.tolist()], clusters.near[rows], place)
        splits = {name: [records[row] for row in rows[positions].tolist()] for name, positions in dealt.items()}
        for name, sources in given.items():
            if sources is not None:
                splits[name] = [record for record, origin in zip(records, origins, strict=True) if origin == name]
        _refuse_unseen_labels(splits)
        if self.augment:
            splits["train"] = augmented(splits["train"], [at_place(part, place) for part in self.augment], place.seed)
        place.folder.mkdir(parents=True, exist_ok=True)
        save(place.folder, splits, found)
        told = ", ".join(f"{name} {len(splits[name]):,}" for name in SPLITS if splits.get(name))
        place.say(translator(place.language)("records: {counts}").format(counts=told))

    def _kept(self, records: Sequence[Record], clusters: Clusters, origins: NDArray[np.str_], place: Place) -> Rows:
        """Positions of the records to split: not those of given sets, nor what repeats, is short, or rare."""
        held = np.isin(clusters.near, clusters.near[origins != "train"])
        long = np.array([len(text_of(record, self.text)) >= self.minimum_characters for record in records])
        rows = np.flatnonzero(~held & long)
        kept = drop_duplicates(
            [records[row] for row in rows.tolist()],
            Clusters(clusters.exact[rows], clusters.near[rows]),
            how=self.dedup,
            conflicts=self.conflicts,
        )
        rows = rows[kept.rows]
        labels = [_label(records[row]) for row in rows.tolist()]
        counts = Counter(labels)
        common = [label is None or counts[label] >= self.minimum_label_count for label in labels]
        _ = translator(place.language)
        dropped = {
            _("in a given set as well"): int((held & (origins == "train")).sum()),
            _("too short"): int((~held & ~long).sum()),
            _("same text with different labels"): kept.conflicts,
            _("repeat another"): kept.duplicates,
            _("label too rare"): len(common) - sum(common),
        }
        told = ", ".join(f"{why} {count:,}" for why, count in dropped.items() if count)
        if told:
            place.say(_("dropped rows: {reasons}").format(reasons=told))
        if not any(common):
            raise Refusal("no record is left to train with; loosen 'minimum_characters' or 'minimum_label_count'")
        left: Rows = rows[np.array(common)]
        return left

    def _split(self, records: Sequence[Record], clusters: Rows, place: Place) -> dict[str, Rows]:
        shares = {
            "validation": 0.0 if self.validation else self.split.validation,
            "test": 0.0 if self.test else self.split.test,
        }
        shares = {"train": 1 - sum(shares.values())} | shares
        return split(clusters, shares, generator(place.seed, "split"), self._strata(records))

    def _strata(self, records: Sequence[Record]) -> list[str] | None:
        if self.stratify == "none":
            return None
        if self.stratify == "auto":
            labels = [label for record in records if (label := _label(record)) is not None]
            return labels if len(labels) == len(records) else None
        column = self.stratify
        lacking = next((number for number, record in enumerate(records, 1) if column not in record), None)
        if lacking is None:
            return [str(record[column]) for record in records]
        raise Refusal(f"record {lacking} has no column '{column}' to stratify by; name another in 'stratify'")


def _read(sources: Sources | None, column: str) -> list[Record]:
    records: list[Record] = []
    for source in [] if sources is None else sources if isinstance(sources, list) else [sources]:
        with closing(source.read()) as first:
            needed = () if "tokens" in next(first) else (column,)
        for number, record in enumerate(source.read(needed), 1):
            label = record.get("label")
            if isinstance(label, str) and not label.strip():
                raise Refusal(f"{source.path}: record {number} has an empty label; fill it in, or remove the record")
            records.append(record | {"label": str(label)} if isinstance(label, int) else record)
    return records


def _label(record: Record) -> str | None:
    """Its label, if it has one that is a name; not a number to be predicted, nor several labels."""
    label = record.get("label")
    return label if isinstance(label, str) else None


def _refuse_unseen_labels(splits: dict[str, list[Record]]) -> None:
    known = {_label(record) for record in splits["train"]} - {None}
    for name in ("validation", "test") if known else ():
        unseen = {_label(record) for record in splits.get(name, [])} - known - {None}
        if unseen:
            raise Refusal(
                f"label '{min(filter(None, unseen))}' occurs in the {name} records but in none for training; "
                "add examples of it to 'data', or correct the label"
            )
