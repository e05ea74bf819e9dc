"""The text of Word documents, by python-docx (https://github.com/python-openxml/python-docx)."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from danlu.machine.extra import needed
from danlu.refusal import Refusal

_UNPACKED = 2**28
"""Bytes that a document may unpack to."""


def text_of_docx(path: Path) -> str:
    """The text of paragraphs and tables, in order; a row of a table is a line, cells between tabs.

    Raises:
        Refusal: it is damaged or no such document; or python-docx is not installed.
    """
    docx: Any = needed("docx", "documents", "reading Word documents")
    try:
        _refuse_large(path)
        return "\n".join(_lines(docx.Document(str(path))))
    except Refusal:
        raise
    except Exception as error:  # of a damaged file python-docx raises whatever its parts met
        why = str(error).partition("\n")[0][:200] or type(error).__name__
        raise Refusal(f"{path.name}: cannot be read as a Word document ({why}); save it anew") from None


def _refuse_large(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > _UNPACKED:
        raise Refusal(f"{path.name}: unpacks to more than {_UNPACKED >> 20} MiB; divide it")


def _lines(within: Any) -> Iterator[str]:
    for item in within.iter_inner_content():
        if hasattr(item, "rows"):
            for row in item.rows:
                cells = {id(cell._tc): cell for cell in row.cells}  # a merged cell comes once for each of its places
                yield "\t".join(" ".join(_lines(cell)) for cell in cells.values())
        else:
            yield item.text
