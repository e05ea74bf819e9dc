"""Formats whose files are text."""

import codecs
from collections.abc import Iterator

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from danlu.data.format import Format
from danlu.data.source_file import SourceFile, lines


class TextFormat(Format):
    """A format whose files are text, in an encoding that is told apart or stated."""

    encoding: str = Field(
        default="auto", description="auto tells UTF-8, UTF-16 with a mark and GB18030 apart; or a name such as latin-1"
    )

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str) -> str:
        try:
            return encoding if encoding == "auto" else codecs.lookup(encoding).name
        except LookupError as error:
            raise PydanticCustomError("encoding", "unknown encoding '{name}'", {"name": encoding}) from error

    def lines(self, source: SourceFile) -> Iterator[str]:
        """The lines of the file; see `danlu.data.source_file.lines`."""
        return lines(source, self.encoding)
