"""Formats whose files are text."""

import codecs
from collections.abc import Iterator

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.file_format import FileFormat
from danlu.data.reading.lines import NO_TEXT, Block, Lines, blocks, decoded, lines
from danlu.data.reading.source_file import SourceFile


class TextFormat(FileFormat):
    """A format whose files are text, in an encoding that is told apart or stated."""

    encoding: str = Field(
        default="auto", description="auto tells UTF-8, UTF-16 with a mark and GB18030 apart; or a name such as latin-1"
    )

    @field_validator("encoding")
    @classmethod
    def _known(cls, encoding: str) -> str:
        try:
            if encoding == "auto":
                return encoding
            "a".encode(encoding)  # a LookupError for what turns bytes into bytes, such as hex
            name = codecs.lookup(encoding).name
        except (LookupError, ValueError) as error:
            raise PydanticCustomError("encoding", "unknown encoding '{name}'", {"name": encoding}) from error
        if name.replace("-", "_") in NO_TEXT:
            raise PydanticCustomError("encoding", "'{name}' is no encoding of files", {"name": encoding})
        return name

    def lines(self, source: SourceFile, bad_rows: BadRows) -> Lines:
        """The lines of the file with their numbers; see `danlu.data.reading.lines.lines`."""
        return lines(source, self.encoding, bad_rows)

    def blocks(self, source: SourceFile, bad_rows: BadRows) -> Iterator[Block]:
        """The file in blocks of whole lines; see `danlu.data.reading.lines.blocks`."""
        return blocks(source, self.encoding, bad_rows)

    def whole_text(self, source: SourceFile) -> str:
        """The file as one text, for formats that are read as a whole.

        Raises:
            Refusal: it cannot be read, or is larger than `WHOLE_LIMIT`.
        """
        return decoded(source.content(), source.name, self.encoding)
