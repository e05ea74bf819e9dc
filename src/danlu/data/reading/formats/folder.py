"""A folder of documents: plain text, Markdown, HTML; one record a file."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.html_text import decoded_page, text_of_html
from danlu.data.reading.source_file import SourceFile
from danlu.data.reading.text_format import TextFormat
from danlu.data.record import Record
from danlu.refusal import Refusal


class Folder(TextFormat):
    """One record a file, `{"text", "file"}`, in all folders below `path`, or of the files that a pattern means.

    Of HTML the text that the page shows is kept; Markdown stays as it is written.
    """

    counted_in: ClassVar[str] = "document"
    takes_folders: ClassVar[bool] = True

    suffixes: list[str] = Field(
        default=[".txt", ".md", ".html", ".htm"], description="files of a folder that are read; case does not matter"
    )

    def shards(self) -> list[str]:
        """Paths of the documents, sorted; see `Format.shards`."""
        folder = Path(self.path)
        if not folder.is_dir():
            return super().shards()
        wanted = {suffix.lower() for suffix in self.suffixes}
        found = [path for path in folder.rglob("*") if path.suffix.lower() in wanted and path.is_file()]
        seen = sorted(path for path in found if not any(part[0] == "." for part in path.relative_to(folder).parts))
        if not seen:
            raise Refusal(f"{self.path}: holds no file with {', '.join(self.suffixes)}; name others in 'suffixes'")
        return [str(path) for path in seen]

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the one document of a file; see `FileFormat.rows`."""
        name = source.inner_name.lower()
        if name.endswith((".html", ".htm")):
            text = text_of_html(decoded_page(source.content(), source.name, self.encoding))
        else:
            text = self.whole_text(source)
        text = text.replace("\r\n", "\n")
        if text.strip():
            yield 1, {"text": text, "file": self._within(source)}
        else:
            bad_rows.reject(source.name, "", "holds no text; remove the file, or write 'on_bad_row: skip'")

    def _within(self, source: SourceFile) -> str:
        """The name of a file as seen from the folder, the same wherever that lies."""
        if isinstance(source.file, Path) and source.file.is_relative_to(self.path):
            within = source.file.relative_to(self.path)
            return _readable(within.as_posix() if within.parts else source.file.name)
        return _readable(source.file.name)


def _readable(name: str) -> str:
    """A name as text, also where it is in GB18030, as Chinese Windows packs it into zips."""
    raw = os.fsencode(name)
    for encoding in ("utf-8", "gb18030"):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return raw.decode("utf-8", "backslashreplace")
