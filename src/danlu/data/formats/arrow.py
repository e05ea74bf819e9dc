"""Arrow's own files (IPC, also called Feather 2) and streams, as the datasets library keeps them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

from danlu.data.arrow_rows import BATCH, records_of
from danlu.data.bad_rows import BadRows
from danlu.data.file_format import FileFormat
from danlu.data.record import Record
from danlu.data.source_file import SourceFile
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from pyarrow import NativeFile, RecordBatch


class Arrow(FileFormat):
    """An Arrow file or stream, mapped into memory where it lies here unpacked."""

    counted_in: ClassVar[str] = "record"

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the rows; see `FileFormat.rows`."""
        import pyarrow as pa

        number = 0
        try:
            with _opened(source) as file:
                for batch in _batches(file):
                    for start in range(0, len(batch), BATCH):
                        part = batch.slice(start, BATCH)
                        yield from enumerate(records_of(part), number + 1)
                        number += len(part)
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            raise Refusal(
                f"{source.name}: cannot be read as Arrow after {number} records "
                f"({(str(error).splitlines() or [''])[0]}); write it anew, or name the kind that it is"
            ) from error


def _opened(source: SourceFile) -> "NativeFile":
    from pathlib import Path

    import pyarrow as pa

    if isinstance(source.file, Path) and not source.packed:
        return pa.memory_map(str(source.file))
    return pa.PythonFile(source.open_seekable(), "r")


def _batches(file: "NativeFile") -> "Iterator[RecordBatch]":
    from pyarrow import ipc

    is_file = file.read(6) == b"ARROW1"  # a stream has no such mark
    file.seek(0)
    if is_file:
        reader = ipc.open_file(file)
        return (reader.get_batch(place) for place in range(reader.num_record_batches))
    return iter(ipc.open_stream(file))
