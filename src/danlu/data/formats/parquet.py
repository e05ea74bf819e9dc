"""Parquet, the columnar files of Apache."""

import io
from collections.abc import Iterator
from typing import Any, ClassVar

from danlu.data.format import Format
from danlu.data.record import Record
from danlu.data.source_file import SourceFile
from danlu.refusal import Refusal


class Parquet(Format):
    """A Parquet file; nested columns become lists and dicts."""

    counted_in: ClassVar[str] = "record"

    def rows(self, source: SourceFile) -> Iterator[tuple[int, Record]]:
        """Yield the rows; see `Format.rows`."""
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        number = 0
        with source.open() as stream:
            try:
                # Parquet is read from its end, so what is packed is unpacked into memory first.
                with ParquetFile(io.BytesIO(stream.read()) if source.packed else stream) as file:
                    for batch in file.iter_batches(1024):
                        for row in batch.to_pylist():
                            number += 1
                            yield number, _filled(row)
            except (ArrowException, OSError) as error:
                raise Refusal(
                    f"{source.name}: cannot be read as Parquet ({str(error).splitlines()[0]}); "
                    "write it anew, or name the kind that it is"
                ) from error


def _filled(value: Any) -> Any:
    """The value without the nulls that a column of objects with different keys brings."""
    if isinstance(value, dict):
        return {key: _filled(item) for key, item in value.items() if item is not None}
    return [_filled(item) for item in value] if isinstance(value, list) else value
