"""Formats whose records lie in files: one path, a pattern of several, a zip, a gzip, or a URL."""

from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.reading.source_file import SourceFile, find_paths, find_source, refuse_rows
from danlu.data.record import Record
from danlu.refusal import Refusal


class FileFormat(Format):
    """A format that reads one file after the other."""

    takes_folders: ClassVar[bool] = False
    """Whether `path` may be a folder."""

    member: str | None = Field(default=None, description="name or glob of the one file that is meant in a zip")

    @abstractmethod
    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the records as the file has them, each with the number of its line or record, from 1.

        What cannot be read goes to `bad_rows.reject`, which raises or counts it. Raises `Refusal` naming the file
        if no more of it can be read.
        """

    def inputs(self) -> list[str]:
        """The path; a folder is refused at once, before all of it would be read to know whether it has changed."""
        if self.takes_folders or not Path(self.path).is_dir():
            return super().inputs()
        raise Refusal(
            f"{self.path}: is a folder, where kind {self.kind} reads files; name them by a pattern such as "
            f"{self.path.rstrip('/')}/*, or use kind folder for a record a file"
        )

    def shards(self) -> list[str]:
        """Paths of the files, in order; see `Format.shards`."""
        return find_paths(self.path)

    def rows_of(self, shard: str, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the records of one file; see `Format.rows_of`."""
        source = find_source(shard, self.member)
        rows = self.rows(source, bad_rows)
        return rows if source.packed_size is None else _counted(rows, source.name, source.packed_size)


def _counted(rows: Iterator[tuple[int, Record]], name: str, packed: int) -> Iterator[tuple[int, Record]]:
    """The rows, as long as they are not far more than the packed bytes could hold."""
    for count, row in enumerate(rows, 1):
        if not count % 2**16:
            refuse_rows(name, count, packed)
        yield row
