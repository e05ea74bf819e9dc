"""The promise of a format: how records are read from files."""

from abc import abstractmethod
from collections.abc import Iterator
from typing import ClassVar

from pydantic import Field

from danlu.data.record import Record
from danlu.recipe.part import Part


class Format(Part):
    """Where records are read from, and under which names."""

    folder: ClassVar[str] = "danlu.data.formats"

    path: str = Field(description="file, zip or gzip; 'package:name/inside.txt' reads from an installed package")
    columns: dict[str, str] = Field(default={}, description="column of the record: column in the file")
    constants: dict[str, str] = Field(default={}, description="columns that are the same in every record")

    @abstractmethod
    def read(self) -> Iterator[Record]:
        """Yield the records in the order of the file.

        Raises `Refusal` naming the file and the line for what cannot be read.
        """
