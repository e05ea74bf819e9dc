"""Prepared data on disk: a folder with `train.parquet`, `validation.parquet`, `test.parquet`, `survey.json`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from danlu.data.cleaning.clean import rewriters_of
from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.corpus.stored import arrow_table, stored_records
from danlu.data.record import Record
from danlu.machine.files import move_into_place, scratch_folder, write_text
from danlu.recipe.part import nearest
from danlu.refusal import Refusal

SPLITS = ("train", "validation", "test")

CLEANERS = "cleaners.json"
"""What gave the texts their form, for bundles that learn from them."""

_ROW_GROUP = 2**24
"""Bytes of a group of rows in a file: what a reader holds at a time, packed."""

_READ = 2**12
"""Rows of a chunk that is read."""


class Writers:
    """One Parquet file a split, written as a stream."""

    def __init__(self, folder: Path, schemas: Mapping[str, Any]) -> None:
        """Files of these schemas in a folder; those that get no rows are left out."""
        self._folder, self._schemas = folder, schemas
        self._open: dict[str, Any] = {}
        self._held: dict[str, list[Any]] = {}
        self.rows = dict.fromkeys(schemas, 0)

    def add(self, split: str, table: Any) -> None:
        """Append the rows of an Arrow table; they are written some MB at a time."""
        held = self._held.setdefault(split, [])
        held.append(table)
        self.rows[split] += table.num_rows
        if sum(part.nbytes for part in held) >= _ROW_GROUP:
            self._write(split)

    @property
    def schemas(self) -> list[Any]:
        """The schema of each split."""
        return list(self._schemas.values())

    def close(self) -> list[str]:
        """Write the rest; gives the splits that have rows."""
        written = [split for split, rows in self.rows.items() if rows]
        for split in written:
            self._write(split)
            self._open[split].close()
        return written

    def _write(self, split: str) -> None:
        import pyarrow as pa
        from pyarrow.parquet import ParquetWriter

        held, file = self._held.pop(split, []), self._folder / f"{split}.parquet"
        try:
            if split not in self._open:
                self._open[split] = ParquetWriter(file, self._schemas[split], compression="zstd")
            if held:
                self._open[split].write_table(pa.concat_tables(held))
        except pa.ArrowNotImplementedError as error:  # such as objects that never have a key
            raise Refusal(
                f"the rows for {split} cannot be stored ({str(error).splitlines()[0]}); leave that column out"
            ) from error


def put_in_place(scratch: Path, folder: Path, splits: Sequence[str], notes: Mapping[str, Any]) -> None:
    """Move the files of splits into their folder, remove those of other splits, and write notes as JSON."""
    folder.mkdir(parents=True, exist_ok=True)
    for split in SPLITS:
        if split in splits:
            move_into_place(scratch / f"{split}.parquet", folder / f"{split}.parquet")
        else:
            (folder / f"{split}.parquet").unlink(missing_ok=True)
    for name, note in notes.items():
        write_text(folder / name, json.dumps(note, ensure_ascii=False, indent=1) + "\n")


def load(folder: Path, split: str) -> list[Record]:
    """The records of one split.

    Raises:
        Refusal: the folder holds no such split; names both.
    """
    return [record for chunk in stream(folder, split) for record in chunk]


def split_of(data: str | Path, asked: str | None, usual: str, *, prepared: bool) -> str | None:
    """The split that is asked for of a folder of `prepare`, or the usual one; None of a file, which has none.

    Raises:
        Refusal: one is asked for of a file.
    """
    if asked is not None and not prepared:
        raise Refusal(f"--split: {data} is no folder of 'prepare', so it has no splits; leave it out")
    return (asked or usual) if prepared else None


def stream(folder: Path, split: str) -> Iterator[list[Record]]:
    """The records of one split, some thousands at a time.

    Raises:
        Refusal: the folder holds no such split, at once; the file is damaged, while reading.
    """
    file = folder / f"{split}.parquet"
    if not file.is_file():
        there = [name for name in SPLITS if (folder / f"{name}.parquet").is_file()]
        remedy = f"use one of: {', '.join(there)}" if there else "run the stage that prepares the data first"
        raise Refusal(f"{folder}: holds no split '{split}'{nearest(split, there)}; {remedy}")
    return _chunks(file)


def save_split(folder: Path, split: str, records: Sequence[Record]) -> None:
    """Write one split anew, or for the first time; it is whole or not there.

    Raises:
        Refusal: the disk is full, or a column has values of different types; names the column.
    """
    table = arrow_table(records)
    with scratch_folder(folder) as scratch:
        writers = Writers(scratch, {split: table.schema})
        writers.add(split, table)
        writers.close()
        move_into_place(scratch / f"{split}.parquet", folder / f"{split}.parquet")


def load_cleaners(folder: Path) -> list[Rewriter]:
    """What gave the texts of a prepared folder their form, in order; none where nothing is written down.

    Raises:
        Refusal: the file cannot be read.
    """
    file = folder / CLEANERS
    if not file.is_file():
        return []
    try:
        return rewriters_of(json.loads(file.read_text(encoding="utf-8")), str(file))
    except ValueError as error:
        raise Refusal(f"{file}: cannot be read ({error}); run the stage that prepares the data again") from None


def load_survey(folder: Path) -> dict[str, Any]:
    """The survey of the data before anything was dropped, as `Survey.to_plain` gave it.

    Raises:
        Refusal: the folder holds none.
    """
    file = folder / "survey.json"
    if not file.is_file():
        raise Refusal(f"{folder}: holds no survey.json; run the stage that prepares the data first")
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def _chunks(file: Path) -> Iterator[list[Record]]:
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        with ParquetFile(file, pre_buffer=False) as opened:  # else all that was read stays in memory
            for batch in opened.iter_batches(_READ):
                yield stored_records(batch)
    except (ArrowException, OSError) as error:
        raise Refusal(
            f"{file}: cannot be read as Parquet ({str(error).splitlines()[0]}); delete the folder and prepare it again"
        ) from error
