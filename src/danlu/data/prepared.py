"""Prepared data on disk: a folder with `train.parquet`, `validation.parquet`, `test.parquet`, `survey.json`."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from danlu.data.cleaner import Cleaner, Rewriter
from danlu.data.cleaning import Cleaned, rewriters, rewriters_of
from danlu.data.format import Format
from danlu.data.record import Record
from danlu.data.survey import Survey
from danlu.machine.files import write_bytes, write_text
from danlu.recipe.part import nearest
from danlu.refusal import Refusal

SPLITS = ("train", "validation", "test")

_CLEANERS = "cleaners.json"


def save(folder: Path, splits: dict[str, list[Record]], survey: Survey) -> None:
    """Write the splits that hold records, and the survey last; each file is whole or not there.

    Raises:
        Refusal: the disk is full, or a column has values of different types; names the column.
    """
    tables = {split: _parquet(records) for split, records in splits.items() if records}
    for split in SPLITS:
        if split in tables:
            write_bytes(folder / f"{split}.parquet", tables[split])
        else:
            (folder / f"{split}.parquet").unlink(missing_ok=True)
    write_text(folder / "survey.json", json.dumps(survey.to_plain(), ensure_ascii=False, indent=1) + "\n")


def save_split(folder: Path, split: str, records: Sequence[Record]) -> None:
    """Write one split anew.

    Raises:
        Refusal: the disk is full, or a column has values of different types; names the column.
    """
    write_bytes(folder / f"{split}.parquet", _parquet(records))


def load(folder: Path, split: str) -> list[Record]:
    """The records of one split.

    Raises:
        Refusal: the folder holds no such split; names both.
    """
    file = folder / f"{split}.parquet"
    if not file.is_file():
        there = [name for name in SPLITS if (folder / f"{name}.parquet").is_file()]
        remedy = f"use one of: {', '.join(there)}" if there else "run the stage that prepares the data first"
        raise Refusal(f"{folder}: holds no split '{split}'{nearest(split, there)}; {remedy}")
    return list(Format.model_validate({"kind": "parquet", "path": str(file)}).read())


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


def save_cleaning(folder: Path, cleaners: Sequence[Cleaner], cleaned: Cleaned) -> None:
    """Write `dropped.json`, and in `cleaners.json` what gave the texts their form, for bundles that learn from them."""
    for name, plain in (
        ("dropped.json", cleaned.counts()),
        (_CLEANERS, [part.to_plain() for part in rewriters(cleaners)]),
    ):
        if cleaners:
            write_text(folder / name, json.dumps(plain, ensure_ascii=False, indent=1) + "\n")
        else:
            (folder / name).unlink(missing_ok=True)


def load_cleaners(folder: Path) -> list[Rewriter]:
    """What gave the texts of a prepared folder their form, in order; none where nothing is written down.

    Raises:
        Refusal: the file cannot be read.
    """
    file = folder / _CLEANERS
    if not file.is_file():
        return []
    try:
        return rewriters_of(json.loads(file.read_text(encoding="utf-8")), str(file))
    except ValueError as error:
        raise Refusal(f"{file}: cannot be read ({error}); run the stage that prepares the data again") from None


def _parquet(records: Sequence[Record]) -> bytes:
    import pyarrow as pa
    from pyarrow.parquet import write_table

    columns = dict.fromkeys(name for record in records for name in record)
    arrays = {}
    for name in columns:
        try:
            arrays[name] = pa.array([record.get(name) for record in records])
        except (pa.ArrowException, UnicodeEncodeError) as error:
            raise Refusal(
                f"column '{name}' cannot be stored ({str(error).splitlines()[0]}); "
                "give it values of one type in all files, or leave it out"
            ) from error
    target = io.BytesIO()
    write_table(pa.table(arrays), target, compression="zstd")
    return target.getvalue()
