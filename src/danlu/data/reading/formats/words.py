"""Segmented text: a sentence a line, its words separated by white space.

The form of the bakeoffs of SIGHAN (Emerson, "The second international Chinese word segmentation bakeoff", 2005).
"""

from collections.abc import Iterator

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.source_file import SourceFile
from danlu.data.reading.text_format import TextFormat
from danlu.data.record import Record


class Words(TextFormat):
    """One sentence a line, words separated by white space; blank lines are skipped."""

    between: str = Field(default="", description="what stands between two words in the text; '' as in Chinese, or ' '")

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield `{"text", "words"}` a line; see `FileFormat.rows`."""
        for number, line in self.lines(source, bad_rows):
            if words := line.split():
                yield number, {"text": self.between.join(words), "words": words}
