"""Read data, survey it, drop what repeats, and split it so that nothing alike stands on both sides."""

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from danlu.data.augmenting.augment import without_augmented
from danlu.data.augmenting.augmenter import Augmenter
from danlu.data.cleaning.clean import Cleaned, Cleaning, fitted, rewriters
from danlu.data.cleaning.cleaner import Cleaner
from danlu.data.corpus.augmented import augment_train
from danlu.data.corpus.contamination import Decontaminate
from danlu.data.corpus.deal import deal
from danlu.data.corpus.dropped import SAMPLES, Dropped
from danlu.data.corpus.executor import Executor
from danlu.data.corpus.executors.local import Local
from danlu.data.corpus.ingest import Ingest, raw_chunks
from danlu.data.corpus.paragraphs import RepeatedParagraphs, without_repeated_paragraphs
from danlu.data.corpus.prepared import CLEANERS, SPLITS, Writers, put_in_place
from danlu.data.corpus.spool import Spool, spooled_clusters
from danlu.data.corpus.stored import mixed_in_words
from danlu.data.corpus.survey import Counts, Said, Survey, asked_in_words, in_words, surveyed
from danlu.data.duplicates.alike import Forest, join_equal
from danlu.data.duplicates.dedup import Clusters, Rows, contested, first_of_each
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.record import Record, text_of
from danlu.data.splitting.mix import Mix
from danlu.data.splitting.shares import Shares
from danlu.data.splitting.shift import in_words as balance_in_words
from danlu.data.splitting.shift import refuse_unseen_labels, shared_in_words, shifts
from danlu.data.splitting.split import split, split_by_time
from danlu.machine.files import scratch_folder
from danlu.machine.seed import generator
from danlu.refusal import Refusal, without_secrets
from danlu.stages.sources import at_place
from danlu.stages.stage import Place, Stage

Sources = Format | list[Format]
Marks = NDArray[np.bool_]


class Prepare(Stage):
    """Data from files to `train.parquet`, `validation.parquet`, `test.parquet` and `survey.json`."""

    data: Sources = Field(description="where the records come from")
    validation: Sources | None = Field(default=None, description="a validation set that exists; it is kept as it is")
    test: Sources | None = Field(default=None, description="a test set that exists; it is kept as it is")
    cleaners: list[Cleaner] = Field(default=[], description="what is done to the texts before anything else, in order")
    text: str | tuple[str, ...] = Field(
        default="text",
        min_length=1,
        description="column by which records are compared (with 'text_pair' where there is one), or several together",
    )
    repeated_paragraphs: RepeatedParagraphs | None = Field(
        default=None, description="drop paragraphs that stand in many texts; None: keep them"
    )
    dedup: Literal["none", "exact", "near"] = Field(default="near", description="which repeated records to drop")
    similarity: float = Field(default=0.8, ge=0.3, le=1, description="Jaccard similarity from which texts are alike")
    conflicts: Literal["drop", "keep"] = Field(
        default="drop", description="what to do with equal texts that have different labels"
    )
    decontaminate: Decontaminate | None = Field(
        default=None, description="drop training rows that hold a piece of a test text; None: only those like one"
    )
    minimum_characters: int = Field(default=1, ge=0, description="drop shorter texts")
    minimum_label_count: int = Field(default=1, ge=1, description="drop records whose label is rarer")
    split: Shares = Shares()
    stratify: str = Field(
        default="auto", description="column to split each value of by itself; auto: 'label', if all have one; none"
    )
    mix: Mix | None = Field(
        default=None, description="how much to train on each of several sources; None: all there is"
    )
    augment: list[Augmenter] = Field(default=[], description="makes more rows, for training alone, after the split")
    executor: Executor = Field(default=Local(), description="where the work is done")

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that `text` names; the first is the one that is cleaned by."""
        return (self.text,) if isinstance(self.text, str) else self.text

    @property
    def compared(self) -> tuple[str, ...]:
        """The columns by which records are compared."""
        return (self.text, "text_pair") if isinstance(self.text, str) else self.text

    def run(self, place: Place) -> None:
        """Prepare the data anew; see `Stage.run`. Nothing is left half-written, so nothing is resumed."""
        with scratch_folder(place.folder) as scratch:
            _Preparation(self, place, scratch).run()


class _Preparation:
    """One run of the stage: rows on disk, and what is known of each in memory."""

    def __init__(self, stage: Prepare, place: Place, scratch: Path) -> None:
        self.stage, self.place, self.scratch = stage, place, scratch
        self.dropped = Dropped()
        self.spool = self._spooled()
        self.characters = self.spool.values("characters")
        self.spelled = self.spool.spellings()
        self.labels = self.spool.coded("label", self.spelled.of)

    def run(self) -> None:
        stage, place, spool = self.stage, self.place, self.spool
        clusters = spooled_clusters(spool, stage.similarity, stage.executor)
        said = spool.said(self.labels[0])
        rng = generator(place.seed, "survey")
        found = surveyed(self._counts(), clusters, said, self.characters, rng)
        self._say([*in_words(found, place.language), *self.spelled.in_words(place.language)])
        rows = self._kept(clusters, said)
        self._say([*self.dropped.in_words(place.language), *asked_in_words(rows, clusters, said, place.language)])
        if not len(rows):
            raise Refusal("no record is left to train with; loosen 'minimum_characters' or 'minimum_label_count'")
        split_of = self._split(rows, clusters.near)
        self._say(shared_in_words(clusters.near, split_of, place.language))
        refuse_unseen_labels({name: split_of == number for number, name in enumerate(SPLITS)}, *self.labels)
        writers = deal(spool, SPLITS, split_of, self._copies(split_of), stage.executor, self.scratch)
        self._leave(writers, split_of, found)

    def _say(self, lines: list[str]) -> None:
        for line in lines:
            self.place.say(line)

    def _spooled(self) -> Spool:
        """All sources, chunk by chunk on disk, given sets first: what is like them is dropped from the rest."""
        stage = self.stage
        ingest = Ingest(
            self.scratch,
            stage.compared,
            stage.similarity,
            stratum=None if stage.stratify in {"auto", "none"} else stage.stratify,
            group=stage.split.group,
            time=stage.split.time,
            clean=self._cleaning,
        )
        with BadRows(self.place.folder / "bad_rows.jsonl") as bad_rows:
            chunks = list(stage.executor.map(ingest, raw_chunks(self._sources(bad_rows), stage.compared)))
        self._say(bad_rows.in_words(self.place.language))
        if stage.repeated_paragraphs is not None:
            chunks = without_repeated_paragraphs(
                chunks, ingest, stage.columns[0], stage.repeated_paragraphs, stage.executor
            )
        cleaned = Cleaned()
        for chunk in chunks:
            cleaned.count(chunk.cleaned)
        for reason, count in cleaned.dropped.items():
            self.dropped.add(reason, count, cleaned.samples.get(reason, []))
        self._say(Cleaned(changed=cleaned.changed, lost_spans=cleaned.lost_spans).in_words(self.place.language))
        if not any(chunk.rows for chunk in chunks if chunk.origin == "train"):
            self._refuse_empty(sum(chunk.empty for chunk in chunks), cleaned)
        return Spool(self.scratch, chunks, stage.compared)

    def _refuse_empty(self, empty: int, cleaned: Cleaned) -> None:
        if cleaned.dropped:
            raise Refusal(
                f"the cleaners dropped all records ({', '.join(cleaned.dropped)}); loosen them, or leave one out"
            )
        column = "', '".join(self.stage.columns)
        raise Refusal(f"the column '{column}' is empty in all {empty} records; name the right one in 'text'")

    @cached_property
    def _cleaning(self) -> Cleaning | None:
        """The cleaners, with what they learn from the head of the data that is to be trained on."""
        if not self.stage.cleaners:
            return None
        train = (source for source in self._sources(BadRows()) if source[0] == "train")
        head = next(raw_chunks(train, self.stage.compared), None)
        texts = [text_of(record, self.stage.columns[0]) for record in head.records] if head else []
        marked = "text" if "text" in self.stage.columns else self.stage.columns[0]  # whose characters entities mark
        return Cleaning(tuple(fitted(self.stage.cleaners, texts)), marked)

    def _sources(self, bad_rows: BadRows) -> Iterator[tuple[str, str, Iterator[Record]]]:
        stage = self.stage
        split = stage.split.validation or stage.split.test or stage.augment
        for name, sources in (("test", stage.test), ("validation", stage.validation), ("train", stage.data)):
            for source in _listed(sources):
                with closing(source.read()) as first:
                    head = next(first)
                cut = any(isinstance(head.get(name), list) for name in ("tokens", "words"))
                needed = () if cut else stage.columns
                read = source.read(needed, bad_rows, labelled=True)
                told = without_secrets(source.path)
                yield name, told, without_augmented(read, told) if split or name != "train" else read

    def _counts(self) -> Counts:
        chunks = self.spool.chunks
        return Counts(
            rows=sum(chunk.rows + chunk.empty for chunk in chunks),
            labels=self.spelled.counted(self.spool.labels()),
            entities=sum((chunk.entities for chunk in chunks), Counter()),
            unlabelled=sum(chunk.unlabelled for chunk in chunks),
        )

    def _kept(self, clusters: Clusters, said: Said) -> Rows:
        """The rows to split: not those of given sets, nor what repeats, is short, contaminated, or rare."""
        stage, spool = self.stage, self.spool
        train = spool.origins("train")
        held = np.zeros(spool.rows, bool)
        held[clusters.near[~train]] = True
        rows = self._without(held[clusters.near], np.flatnonzero(train), "in a given set as well")
        if stage.split.group is not None and not train.all():
            whole = self._grouped(clusters.near, np.arange(spool.rows))
            rows = self._without(np.isin(whole, whole[~train]), rows, "in the group of a row of a given set")
        rows = self._without(self.characters < stage.minimum_characters, rows, "too short")
        if stage.decontaminate is not None:
            tested = np.flatnonzero(~train)
            gone = stage.decontaminate.found_in(spool, tested, stage.executor, self._cleaning)
            rows = self._without(gone, rows, "hold a piece of a test text")
        alike = clusters.apart(said.asked)
        if stage.conflicts == "drop":
            rows = self._without(contested(said.truths, alike.exact), rows, "same text with different labels")
        repeats = np.ones(spool.rows, bool)
        repeats[first_of_each(rows, alike, stage.dedup, said.opinions)] = False
        rows = self._without(repeats, rows, "repeat another")
        codes, names = self.labels
        rare = np.bincount(codes[rows] + 1, minlength=len(names) + 1) < stage.minimum_label_count
        rare[0] = False  # rows without a label
        return self._without(rare[codes + 1], rows, "label too rare")

    def _without(self, gone: Marks, rows: Rows, reason: str) -> Rows:
        """The rows that are not marked, (N,); the others are counted, and some of them kept to be looked at."""
        lost = rows[gone[rows]]
        if len(lost):
            some = lost[:SAMPLES]
            texts = zip(some.tolist(), self.spool.reader().of(some), strict=True)
            self.dropped.add(reason, len(lost), [f"{self.spool.where(row)}: {text}" for row, text in texts])
        return rows[~gone[rows]]

    def _split(self, rows: Rows, near: NDArray[np.signedinteger]) -> NDArray[np.int8]:
        """The position in `SPLITS` of each row's split, -1 for those that are dropped, (N,)."""
        stage, spool = self.stage, self.spool
        split_of = np.full(spool.rows, -1, np.int8)
        for number, (name, sources) in enumerate(zip(SPLITS, (None, stage.validation, stage.test), strict=True)):
            if sources is not None:
                split_of[spool.origins(name)] = number
        shares = {
            "validation": 0.0 if stage.validation else stage.split.validation,
            "test": 0.0 if stage.test else stage.split.test,
        }
        shares = {"train": 1 - sum(shares.values())} | shares
        together = self._together(rows, near)
        if stage.split.time is not None:
            dealt = split_by_time(together, shares, spool.times(stage.split.time)[rows])
        else:
            rng = generator(self.place.seed, "split")
            dealt = split(together, shares, rng, *(self._strata(rows) or (None, ())))
        for name, positions in dealt.items():
            split_of[rows[positions]] = SPLITS.index(name)
        return split_of

    def _together(self, rows: Rows, near: NDArray[np.signedinteger]) -> NDArray[np.signedinteger]:
        """A number for each of some rows that is equal for those that stay in one split."""
        return near[rows] if self.stage.split.group is None else self._grouped(near, rows)[rows]

    def _grouped(self, near: NDArray[np.signedinteger], rows: Rows) -> NDArray[np.signedinteger]:
        """A number for each row, (N,), equal for those that are alike, or some `rows` of one group."""
        forest = Forest(near.copy())
        join_equal(forest, self.spool.values("group")[rows], rows)
        return forest.clusters()

    def _strata(self, rows: Rows) -> tuple[NDArray[np.int32], list[str]] | None:
        if self.stage.stratify == "none":
            return None
        if self.stage.stratify == "auto":
            codes, names = self.labels
            return (codes[rows], names) if (codes[rows] >= 0).all() else None
        codes, names = self.spool.coded("stratum")
        lacking = rows[codes[rows] < 0]
        if len(lacking):
            column = self.stage.stratify
            where = self.spool.where(int(lacking[0]))
            raise Refusal(f"{where} has no column '{column}' to stratify by; name another in 'stratify'")
        return codes[rows], names

    def _copies(self, split_of: NDArray[np.int8]) -> NDArray[np.uint16]:
        """How often each row is written, (N,)."""
        copies = np.ones(self.spool.rows, np.uint16)
        if self.stage.mix is not None:
            train, sources = np.flatnonzero(split_of == 0), self.spool.sources()
            count = len(_listed(self.stage.data))
            first = sum(len(_listed(given)) for given in (self.stage.test, self.stage.validation))
            copies[train] = self.stage.mix.copies(sources[train] - first, count, self.place.seed)
        return copies

    def _leave(self, writers: Writers, split_of: NDArray[np.int8], found: Survey) -> None:
        """Put the files of the splits in place, and beside them what was found, dropped and compared."""
        written = writers.close()
        rows = dict(writers.rows)
        if self.stage.augment:
            parts = [at_place(part, self.place) for part in self.stage.augment]
            held = self.spool.values("folded")[split_of > 0]
            made = augment_train(self.scratch, parts, self.place.seed, held, self.stage.compared)
            rows["train"] = made.rows
            self._say(made.in_words(self.place.language))
        positions = {name: np.flatnonzero(split_of == SPLITS.index(name)) for name in written}
        compared = shifts(positions, *self.labels, self.characters)
        notes: dict[str, Any] = {
            "dropped.json": self.dropped.to_plain(),
            "splits.json": {name: side.to_plain() for name, side in compared.items()},
            "survey.json": found.to_plain(),
        }
        if self.stage.cleaners:
            notes[CLEANERS] = [part.to_plain() for part in rewriters(self.stage.cleaners)]
        put_in_place(self.scratch, self.place.folder, written, notes)
        told = balance_in_words({name: rows[name] for name in written}, compared, self.place.language)
        self._say([*mixed_in_words(writers.schemas, self.place.language), *told])


def _listed(sources: Sources | None) -> list[Format]:
    return [] if sources is None else sources if isinstance(sources, list) else [sources]
