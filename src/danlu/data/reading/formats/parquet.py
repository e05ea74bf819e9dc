"""Parquet, the columnar files of Apache."""

import os
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, ClassVar

from danlu.data.reading.arrow_rows import BATCH, arrow_refused, records_of_batch, refuse_deep_columns, size_of
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.file_format import FileFormat
from danlu.data.reading.source_file import SourceFile, refuse_bytes, refuse_rows
from danlu.data.record import Record

if TYPE_CHECKING:
    from pyarrow.parquet import ParquetFile

_HELD = 2**29
"""Bytes that a batch may take where each of its rows is the longest text of a dictionary."""


class Parquet(FileFormat):
    """A Parquet file; nested columns become lists and dicts."""

    counted_in: ClassVar[str] = "record"

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the rows; see `FileFormat.rows`."""
        from pyarrow.parquet import ParquetFile

        number = unpacked = 0
        with arrow_refused(source.name, "Parquet"), source.open_seekable() as stream:
            size = stream.seek(0, os.SEEK_END)
            with ParquetFile(stream, pre_buffer=False) as file:  # else all that was read stays in memory
                refuse_deep_columns(file.schema_arrow, source.name)
                refuse_rows(source.name, file.metadata.num_rows, size)
                for group in range(file.num_row_groups):
                    count = max(16, min(BATCH, _HELD // _longest(file, group, stream)))
                    for batch in file.iter_batches(count, row_groups=[group]):
                        unpacked += size_of(batch)
                        refuse_bytes(source.name, unpacked, size)
                        yield from enumerate(records_of_batch(batch), number + 1)
                        number += len(batch)


def _longest(file: "ParquetFile", group: int, stream: IO[bytes]) -> int:
    """Bytes that a value of a group of rows may have at most, where few values stand in many rows."""
    found = 1
    for place in range(file.metadata.num_columns):
        column = file.metadata.row_group(group).column(place)
        if column.physical_type == "BYTE_ARRAY" and column.has_dictionary_page:
            stream.seek(column.dictionary_page_offset)
            found = max(found, _unpacked(stream.read(16)) or column.total_uncompressed_size)
    return found


def _unpacked(head: bytes) -> int | None:
    """The unpacked size of a page: the second number of its head, in Thrift's compact form; None for another form."""
    place = 0
    numbers: list[int] = []
    while len(numbers) < 2:
        if head[place : place + 1] != b"\x15":  # the next field, of 32 bits
            return None
        value = shift = 0
        for byte in head[place + 1 :]:
            place += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
        numbers.append(value >> 1)
        place += 1
    return numbers[1]
