"""PDF documents, read by pypdf; one record a file, or one a page."""

import io
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.file_format import FileFormat
from danlu.data.reading.source_file import SourceFile
from danlu.data.record import Record
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from pypdf import PageObject, PdfReader

_LARGEST_PAGE = 2**23
"""Bytes of instructions that a page may unpack to; pypdf reads about two megabytes of them a second."""

_PATIENCE = 10.0
"""Seconds of work on one page."""


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
    with _told(source, "cannot be read as PDF"):
        pages = list(reader.pages)
    for number, page in enumerate(pages, 1):
        with _told(source, f"page {number} cannot be read"):
            text = _text(page)
        yield text


def _text(page: "PageObject") -> str:
    """The text of a page; one whose forms call each other without end is given up."""
    content = page.get_contents()
    if content is not None and len(content.get_data()) > _LARGEST_PAGE:
        raise ValueError(f"unpacks to more than {_LARGEST_PAGE >> 20} MiB")
    end, late = time.thread_time() + _PATIENCE, False

    def watch(*_: Any) -> None:
        nonlocal late
        if time.thread_time() > end:
            late = True
            raise ValueError

    try:
        text = page.extract_text(visitor_operand_before=watch)
    except ValueError:
        if not late:
            raise
    if late:  # pypdf goes on where a form cannot be read
        raise ValueError(f"takes longer than {_PATIENCE:.0f} s")
    return text


def _reader(source: SourceFile) -> "PdfReader":
    try:
        from pypdf import PdfReader
    except ImportError as error:
        raise Refusal(f"{source.name}: reading PDF needs pypdf; run: pip install 'danlu[pdf]'") from error
    logging.getLogger("pypdf").setLevel(logging.ERROR)  # it warns of every small fault of a file
    with _told(source, "cannot be read as PDF"):
        reader = PdfReader(io.BytesIO(source.content()))
        locked = reader.is_encrypted and not reader.decrypt("")
    if locked:
        raise Refusal(f"{source.name}: is locked by a password; save it without one")
    return reader


@contextmanager
def _told(source: SourceFile, what: str) -> Iterator[None]:
    """A sentence for what pypdf raises, which of a damaged file is whatever its parser met."""
    try:
        yield
    except Refusal:
        raise
    except Exception as error:
        why = str(error).partition("\n")[0] or type(error).__name__
        raise Refusal(f"{source.name}: {what} ({why}); save the file anew") from error
