"""PDF documents, read by pypdf; one record a file, or one a page."""

import io
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from danlu.data.bad_rows import BadRows
from danlu.data.file_format import FileFormat
from danlu.data.record import Record
from danlu.data.source_file import SourceFile
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from pypdf import PdfReader


class Pdf(FileFormat):
    """The text of PDF files, `{"text", "file"}`, and `page` with `unit: page`; scanned images hold no text."""

    counted_in: ClassVar[str] = "page"

    unit: Literal["file", "page"] = Field(default="file", description="what becomes a record")

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the documents or pages; see `FileFormat.rows`."""
        pages = list(_pages(source))
        if not any(text.strip() for text in pages):
            bad_rows.reject(source.name, "", "holds no text, only images perhaps; run text recognition on it first")
        elif self.unit == "file":
            yield 1, {"text": "\n".join(pages), "file": source.inner_name}
        else:
            for number, text in enumerate(pages, 1):
                if text.strip():
                    yield number, {"text": text, "file": source.inner_name, "page": number}


def _pages(source: SourceFile) -> Iterator[str]:
    reader = _reader(source)
    for number in range(reader.get_num_pages()):
        try:
            yield reader.pages[number].extract_text()
        except Exception as error:  # of a damaged page pypdf raises whatever its parser met
            raise Refusal(
                f"{source.name}: page {number + 1} cannot be read ({type(error).__name__}); save the file anew"
            ) from error


def _reader(source: SourceFile) -> "PdfReader":
    try:
        from pypdf import PdfReader
    except ImportError as error:
        raise Refusal(f"{source.name}: reading PDF needs pypdf; run: pip install 'danlu[pdf]'") from error
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of every small fault of a file
    try:
        reader = PdfReader(io.BytesIO(source.content()))
        locked = reader.is_encrypted and not reader.decrypt("")
    except Refusal:
        raise
    except Exception as error:  # as above
        raise Refusal(
            f"{source.name}: cannot be read as PDF ({str(error).partition(chr(10))[0] or type(error).__name__}); "
            "save the file anew"
        ) from error
    if locked:
        raise Refusal(f"{source.name}: is locked by a password; save it without one")
    return reader
