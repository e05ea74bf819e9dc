"""Encode the training split once, into shards that trainings read without holding them in memory."""

import json
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, overload

from pydantic import Field

from danlu.data.corpus.prepared import CLEANERS, save_split
from danlu.data.record import Record, text_of
from danlu.language import translator
from danlu.machine.files import folder_in_place, write_text
from danlu.refusal import Refusal
from danlu.stages.sharded import SPLITS
from danlu.stages.sources import (
    Data,
    records_of,
    rewriters_for,
    stream_of,
    tell_left_aside,
    tokenizer_of,
    with_segmenters,
    with_split,
)
from danlu.stages.stage import Place, Reference, Stage
from danlu.task.task import Task
from danlu.text.batching import flat, shards
from danlu.text.batching import rows as stored
from danlu.text.batching.flat import write_tokens
from danlu.text.batching.rows import write_rows
from danlu.text.batching.windows import documents
from danlu.text.tokenizing.folder import save_tokenizer
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource

EXAMPLES = 8  # records that are kept, for the golden outputs of a bundle


class Shards(Stage):
    """Records to a folder `shards`: flat token files, or rows that a task has encoded.

    The tokenizer and the other splits lie beside it, so that '@NAME' stands for all of them.
    """

    data: Data | list[Data] = Field(description="prepared data ('@stage') or files; several are joined")
    tokenizer: Reference | TokenizerSource
    task: Task | None = Field(default=None, description="None: flat files of tokens, for language models alone")
    longest: int = Field(default=512, ge=8, description="tokens of a row; flat files are cut when they are read")

    file_tokens: int | None = Field(
        default=None, ge=1_000, description="tokens of a file, about; None: 134 M of flat tokens, 67 M of rows"
    )

    def run(self, place: Place) -> None:
        """Write the shards as a whole; see `Stage.run`. Nothing is left half-written, so nothing is resumed."""
        tokenizer = tokenizer_of(self.tokenizer, None, place)
        records = _Streamed(self.data, place, labelled=self.task is not None and "label" in self.task.columns)
        place.folder.mkdir(parents=True, exist_ok=True)
        with folder_in_place(place.folder / "tokenizer") as temporary:
            save_tokenizer(tokenizer, temporary)
        self._keep_splits(place)
        with folder_in_place(place.folder / "shards") as temporary:
            about: dict[str, Any] = {
                "vocabulary": len(tokenizer),
                "examples": [self._kept(record) for record in records.first],
            }
            if self.task is None:
                chunks = (documents([text_of(record) for record in chunk], tokenizer) for chunk in records.chunks())
                written = write_tokens(temporary, chunks, len(tokenizer), shard=self.file_tokens or flat.SHARD)
            else:
                task = with_segmenters(self.task, place).fitted(records)
                about |= {"task": task.to_plain(), "longest": self.longest}
                written = write_rows(
                    temporary, self._encoded(records, task, tokenizer), shard=self.file_tokens or stored.SHARD
                )
            about["records"] = len(records)
            about["beside"] = self._beside(place.folder)
            form: shards.Form = "rows" if self.task else "tokens"
            manifest = shards.Manifest(form, shards.tokenizer_hash(tokenizer), tuple(written), about)
            if not manifest.count:
                raise Refusal("the data gives no tokens; look at the survey of the stage that prepared it")
            shards.write(temporary, manifest)
        said = translator(place.language)("shards: {tokens:,} tokens of {records:,} records; files: {files}")
        place.say(said.format(tokens=manifest.tokens, records=len(records), files=len(written)))

    def _encoded(self, records: "_Streamed", task: Task, tokenizer: Tokenizer) -> Iterator[Sequence[Any]]:
        begun = 0
        for chunk in records.chunks():
            try:
                rows = task.encode(chunk, tokenizer, self.longest, labelled=True)
            except Refusal as refusal:
                raise (Refusal(f"{refusal} (counted from record {begun + 1:,})") if begun else refusal) from None
            for row in rows:
                row.record += begun
            begun += len(chunk)
            yield rows

    def _kept(self, record: Record) -> Record:
        if self.task is not None:
            return self.task.kept(record)
        return {name: value for name, value in record.items() if name in ("text", "tokens", "words")}

    @staticmethod
    def _beside(folder: Path) -> dict[str, dict[str, Any]]:
        """What lies beside the shards, so that it can be fetched with them: bytes and hash of each file."""
        files = [*(folder / "tokenizer").rglob("*"), *(folder / name for name in SPLITS)]
        return {path.relative_to(folder).as_posix(): shards.facts_of(path) for path in files if path.is_file()}

    def _keep_splits(self, place: Place) -> None:
        """The other splits of prepared data, joined where there are several sets, and what gave its texts their form.

        Raises:
            Refusal: two sets were rewritten differently.
        """
        rewriters = [part.to_plain() for part in rewriters_for(self.data, place)]
        write_text(place.folder / CLEANERS, json.dumps(rewriters, ensure_ascii=False, indent=2) + "\n")
        for split in ("validation", "test"):
            tell_left_aside(self.data, split, place)
            if held := with_split(self.data, split, place):
                save_split(place.folder, split, records_of(held, split, place))


class _Streamed(Sequence[Record]):
    """The records of the training split, read anew each time they are gone through."""

    def __init__(self, data: Data | list[Data], place: Place, *, labelled: bool) -> None:
        self._data, self._place, self._labelled = data, place, labelled
        self._length: int | None = None  # known when all have been read
        self.first = next(self.chunks(), [])[:EXAMPLES]
        if not self.first:
            raise Refusal("the data has no records to write shards from; look at the paths in 'data'")

    def chunks(self) -> Iterator[list[Record]]:
        length = 0
        for chunk in stream_of(self._data, "train", self._place, labelled=self._labelled):
            length += len(chunk)
            yield chunk
        self._length = length

    def __bool__(self) -> bool:
        return bool(self.first)

    def __len__(self) -> int:
        if self._length is None:
            deque(self.chunks(), maxlen=0)
        assert self._length is not None
        return self._length

    def __iter__(self) -> Iterator[Record]:
        for chunk in self.chunks():
            yield from chunk

    @overload
    def __getitem__(self, row: int) -> Record: ...
    @overload
    def __getitem__(self, row: slice) -> list[Record]: ...
    def __getitem__(self, row: int | slice) -> Record | list[Record]:
        if isinstance(row, slice):
            forward = (row.start or 0) >= 0 and row.stop is not None and row.stop >= 0 and (row.step or 1) > 0
            if not forward:
                return list(self)[row]
            return list(islice(self.first if row.stop <= len(self.first) else self, row.start, row.stop, row.step))
        place = row if row >= 0 else range(len(self))[row]
        found = self.first[place:] or list(islice(self, place, place + 1))
        return found[0]
