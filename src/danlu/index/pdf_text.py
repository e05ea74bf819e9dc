"""The text of PDF files, by pypdfium2 (https://github.com/pypdfium2-team/pypdfium2)."""

from pathlib import Path
from typing import Any

from danlu.machine.extra import needed
from danlu.refusal import Empty, Refusal

PAGE = "\f"
"""What stands between two pages."""

_MOST_PAGES = 10_000


def text_of_pdf(path: Path) -> str:
    """The text of all pages.

    Raises:
        Empty: it holds images alone, or nothing.
        Refusal: it is damaged or locked; or pypdfium2 is not installed.
    """
    pdfium: Any = needed("pypdfium2", "documents", "reading PDF")
    try:
        document = pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        locked = "password" in str(error).lower()
        told = "is locked by a password; save it without one" if locked else "cannot be read as PDF; save it anew"
        raise Refusal(f"{path.name}: {told}") from None
    try:
        if len(document) > _MOST_PAGES:
            raise Refusal(f"{path.name}: has more than {_MOST_PAGES:,} pages; divide it")
        pages = [_text(document[number]) for number in range(len(document))]
    except (pdfium.PdfiumError, UnicodeDecodeError) as error:
        raise Refusal(f"{path.name}: a page cannot be read ({error}); save the file anew") from None
    finally:
        document.close()
    if not any(page.strip() for page in pages):
        raise Empty(f"{path.name}: holds no text, only images perhaps; run text recognition on it first")
    return PAGE.join(pages)


def _text(page: Any) -> str:
    found = page.get_textpage()
    try:
        text: str = found.get_text_bounded()
    finally:
        found.close()
        page.close()
    # U+FFFE, and U+0002 in older releases, stand for a hyphen at the end of a line
    return text.replace("\r\n", "\n").replace("\ufffe", "").replace("\x02", "").replace("\0", "")
