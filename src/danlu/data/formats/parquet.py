"""Parquet, the columnar files of Apache."""

from collections.abc import Iterator
from typing import ClassVar

from danlu.data.arrow_rows import BATCH, records_of
from danlu.data.bad_rows import BadRows
from danlu.data.file_format import FileFormat
from danlu.data.record import Record
from danlu.data.source_file import SourceFile
from danlu.refusal import Refusal


class Parquet(FileFormat):
    """A Parquet file; nested columns become lists and dicts."""

    counted_in: ClassVar[str] = "record"

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the rows; see `FileFormat.rows`."""
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        number = 0
        with source.open_seekable() as stream:
            try:
                with ParquetFile(stream, pre_buffer=False) as file:  # else all that was read stays in memory
                    for batch in file.iter_batches(BATCH):
                        yield from enumerate(records_of(batch, file.schema_arrow.metadata), number + 1)
                        number += len(batch)
            except (ArrowException, OSError, UnicodeDecodeError) as error:
                raise Refusal(
                    f"{source.name}: cannot be read as Parquet after {number} records "
                    f"({(str(error).splitlines() or [''])[0]}); write it anew, or name the kind that it is"
                ) from error
