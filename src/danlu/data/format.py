"""The promise of a format: how records are read from files."""

import json
from abc import abstractmethod
from collections.abc import Generator, Iterator, Sequence
from itertools import islice
from typing import ClassVar

from pydantic import Field

from danlu.data.record import Record
from danlu.data.source_file import SourceFile, find_source, lines
from danlu.recipe.part import Part, nearest
from danlu.refusal import Refusal

_KIND_OF_SUFFIX = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "text",
    ".parquet": "parquet",
}


class Format(Part):
    """Where records are read from, and under which names."""

    folder: ClassVar[str] = "danlu.data.formats"

    counted_in: ClassVar[str] = "line"
    """What `rows` counts: lines of text, or records."""

    path: str = Field(description="file, zip or gzip; 'package:name/inside.txt' reads from an installed package")
    member: str | None = Field(default=None, description="name or glob of the one file that is meant in a zip")
    columns: dict[str, str] = Field(default={}, description="column of the record: column in the file")
    constants: dict[str, str] = Field(default={}, description="columns that are the same in every record")

    @abstractmethod
    def rows(self, source: SourceFile) -> Iterator[tuple[int, Record]]:
        """Yield the records as the file has them, each with the number of its line or record, from 1.

        Raises `Refusal` naming the file and the line for what cannot be read.
        """

    def source(self) -> SourceFile:
        """The file that the records come from.

        Raises:
            Refusal: there is no such file, or no such member of a zip.
        """
        return find_source(self.path, self.member)

    def read(self, needed: Sequence[str] = ()) -> Generator[Record, None, None]:
        """Yield the records in the order of the file, columns renamed and constants added.

        Columns that are not named in `columns` keep their names; empty values (null) are left out. Every
        record has the `needed` columns.

        Raises:
            Refusal: the file cannot be read, holds no records, or lacks a column; names the file and the line.
        """
        source = self.source()
        empty = True
        for number, row in self.rows(source):
            empty = False
            record = self._named(row)
            for column in (*self.columns, *needed):
                if column not in record:
                    wanted = self.columns.get(column, column)
                    raise Refusal(
                        f"{source.name}, {self.counted_in} {number}: there is no column '{wanted}'"
                        f"{nearest(wanted, list(row))}; the columns are: {', '.join(row) or 'none'}; "
                        f"write 'columns: {{{column}: NAME}}' with the one that is meant"
                    )
            yield record
        if empty:
            raise Refusal(f"{source.name}: holds no records; give a file with at least one")

    def _named(self, row: Record) -> Record:
        if not self.columns:
            named = row | self.constants
        else:
            taken = set(self.columns.values())
            named = {name: value for name, value in row.items() if name not in taken}
            named |= {name: row[old] for name, old in self.columns.items() if old in row} | self.constants
        return {name: value for name, value in named.items() if value is not None}


def guess(path: str, member: str | None = None) -> Format:
    """The format of a file by the suffix of its name, packing aside, with the defaults of that format.

    Raises:
        Refusal: there is no such file, or its suffix is not known.
    """
    source = find_source(path, member)
    suffix = f".{source.inner_name.rpartition('.')[2].lower()}"
    if suffix not in _KIND_OF_SUFFIX:
        raise Refusal(
            f"{source.name}: the suffix '{suffix}' tells no format{nearest(suffix, list(_KIND_OF_SUFFIX))}; "
            f"rename the file to one of {', '.join(_KIND_OF_SUFFIX)}, or name its 'kind' in a recipe"
        )
    kind = _KIND_OF_SUFFIX[suffix]
    if kind == "json" and _holds_json_lines(source):
        kind = "jsonl"
    return Format.model_validate({"kind": kind, "path": path, "member": member})


def open_records(path: str, member: str | None = None, needed: Sequence[str] = ()) -> Iterator[Record]:
    """Yield the records of a file whose format its suffix tells (.csv, .tsv, .json, .jsonl, .txt, .parquet).

    Raises:
        Refusal: the file is missing or broken, its suffix is not known, or a `needed` column is missing.
    """
    return guess(path, member).read(needed)


def _holds_json_lines(source: SourceFile) -> bool:
    """Whether a file named .json holds one object a line, as many publishers ship them."""
    first = "".join(islice((line for line in lines(source) if line.strip()), 1))
    try:
        return isinstance(json.loads(first), dict)
    except ValueError:
        return False
