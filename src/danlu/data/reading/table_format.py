"""Formats that are tables in text: rows of fields under the names of a header."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import Self

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.several import with_lists
from danlu.data.reading.source_file import SourceFile
from danlu.data.reading.table import grouped
from danlu.data.reading.text_format import TextFormat
from danlu.data.record import Record


class TableFormat(TextFormat):
    """A table with a header, whose rows may be grouped into one record each, and whose cells may be lists."""

    header: list[str] | None = Field(default=None, description="names of the columns, for a file without a header")
    group: str | None = Field(
        default=None, description="column of the file whose equal values make one record of several rows"
    )
    collect: dict[str, str] = Field(
        default={}, description="with 'group': list of the record: column of the file, such as labels: subject"
    )

    lists: dict[str, str] = Field(
        default={},
        description="column of the file that holds several values: the sign between them, such as labels: '|'; list: "
        "they are written as a list of JSON, Python or NumPy",
    )
    flags: dict[str, list[str]] = Field(
        default={}, description="list of the record: columns of 0 and 1 whose names are its values"
    )

    @model_validator(mode="after")
    def _grouped_and_collected(self) -> Self:
        if (self.group is None) != (not self.collect):
            raise PydanticCustomError(
                "group", "'group' and 'collect' go together, such as group: id and collect: {labels: topic}"
            )
        if self.group is not None and (self.lists or self.flags):
            raise PydanticCustomError(
                "group", "a record is made of several rows by 'group', or of cells by 'lists' and 'flags'; keep one"
            )
        if not all(self.lists.values()):
            raise PydanticCustomError("lists", "the sign between values is empty; name it, such as labels: '|'")
        return self

    def _without_header(self) -> str:
        return "" if self.header else ", or 'header: [text, label]' where the first row names no columns"

    @abstractmethod
    def table_rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the rows of the table as records; see `FileFormat.rows`."""

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the rows, or a record for each group of them; see `FileFormat.rows`."""
        rows = self.table_rows(source, bad_rows)
        if self.group is not None:
            return grouped(rows, self.group, self.collect, source.name)
        if self.lists or self.flags:
            return with_lists(rows, self.lists, self.flags, source.name, bad_rows)
        return rows
