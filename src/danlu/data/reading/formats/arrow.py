"""Arrow's own files (IPC, also called Feather 2) and streams, as the datasets library keeps them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from danlu.data.reading.arrow_rows import arrow_refused, numbered_records, refuse_deep_columns
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.file_format import FileFormat
from danlu.data.reading.source_file import SourceFile
from danlu.data.record import Record

if TYPE_CHECKING:
    from pyarrow import NativeFile, RecordBatch


class Arrow(FileFormat):
    """An Arrow file or stream, mapped into memory where it lies here unpacked."""

    counted_in: ClassVar[str] = "record"

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the rows; see `FileFormat.rows`."""
        with arrow_refused(source.name, "Arrow"), _opened(source) as file:
            yield from numbered_records(_batches(file, source.name))


def _opened(source: SourceFile) -> "NativeFile":
    from pathlib import Path

    import pyarrow as pa

    if isinstance(source.file, Path) and not source.packed:
        return pa.memory_map(str(source.file))
    return pa.PythonFile(source.open_seekable(), "r")


def _batches(file: "NativeFile", name: str) -> "Iterator[RecordBatch]":
    from pyarrow import ipc

    is_file = file.read(6) == b"ARROW1"  # a stream has no such mark
    file.seek(0)
    if is_file:
        reader = ipc.open_file(file)
        refuse_deep_columns(reader.schema, name)
        return (reader.get_batch(place) for place in range(reader.num_record_batches))
    stream = ipc.open_stream(file)
    refuse_deep_columns(stream.schema, name)
    return iter(stream)
