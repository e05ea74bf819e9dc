"""The text of Word documents, by python-docx (https://github.com/python-openxml/python-docx)."""

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from danlu.machine.extra import needed
from danlu.refusal import Refusal

_UNPACKED, _MARKED = 2**28, 2**25
"""Bytes that a document may unpack to, and that a part of it may which is read with all its marks."""
_LONGEST = 200
"""Characters of a merged cell that are told in each of its rows; a longer one stands in the first alone."""

_WORDS = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MATHS = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_P, _TABLE, _ROW, _CELL = (f"{_WORDS}{name}" for name in ("p", "tbl", "tr", "tc"))
_TEXTS = frozenset((f"{_WORDS}t", f"{_MATHS}t"))
_SIGNS = {f"{_WORDS}{name}": sign for name, sign in (("tab", "\t"), ("br", "\n"), ("cr", "\n"), ("noBreakHyphen", "-"))}
_LEFT_OUT = frozenset(f"{_WORDS}{name}" for name in ("del", "moveFrom", "pPr", "rPr", "rt")) | {
    "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
}
"""What was deleted or moved away; what tells the looks, or how a word is spoken; what stands there once more."""


def text_of_docx(path: Path) -> str:
    """The text of paragraphs and tables, in order; a row of a table is a line, cells between tabs.

    What was inserted counts and what was deleted does not, though nobody has agreed yet. Headers, footers and notes are
    left out.

    Raises:
        Refusal: it is damaged or no such document; or python-docx is not installed.
    """
    docx: Any = needed("docx", "documents", "reading Word documents")
    try:
        _refuse_large(path)
        return "\n".join(_lines(docx.Document(str(path)).element.body))
    except Refusal:
        raise
    except Exception as error:  # of a damaged file python-docx raises whatever its parts met
        why = str(error).partition("\n")[0][:200] or type(error).__name__
        raise Refusal(f"{path.name}: cannot be read as a Word document ({why}); save it anew") from None


def _refuse_large(path: Path) -> None:
    with zipfile.ZipFile(path) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
    marked = max((size for name, size in sizes.items() if name.endswith(".xml")), default=0)
    for most, size in ((_UNPACKED, sum(sizes.values())), (_MARKED, marked)):
        if size > most:
            raise Refusal(f"{path.name}: unpacks to more than {most >> 20} MiB; divide it")


def _lines(within: Any) -> Iterator[str]:
    for element in _nearest(within, _P, _TABLE):
        if element.tag == _P:
            yield "".join(_pieces(element))
        else:
            yield from _rows(element)


def _nearest(within: Any, *tags: str) -> Iterator[Any]:
    """Elements of these names, whatever they stand in, such as a form, an insertion or what was moved here."""
    for element in within:
        if element.tag in tags:
            yield element
        elif element.tag not in _LEFT_OUT:
            yield from _nearest(element, *tags)


def _rows(table: Any) -> Iterator[str]:
    above: dict[int, str] = {}
    for row in _nearest(table, _ROW):
        texts, column = list[str](), 0
        for cell in _nearest(row, _CELL):
            text = above.get(column, "") if _goes_on(cell) else " ".join(_lines(cell))
            above[column] = text if len(text) <= _LONGEST else ""
            texts.append(text)
            column += _span(cell)
        yield "\t".join(texts)


def _goes_on(cell: Any) -> bool:
    """Whether a cell is the lower part of one that goes over several rows."""
    merged = cell.find(f"{_WORDS}tcPr/{_WORDS}vMerge")
    return merged is not None and merged.get(f"{_WORDS}val", "continue") == "continue"


def _span(cell: Any) -> int:
    """Columns of a cell."""
    span = cell.find(f"{_WORDS}tcPr/{_WORDS}gridSpan")
    return 1 if span is None else int(span.get(f"{_WORDS}val", "1"))


def _pieces(within: Any) -> Iterator[str]:
    """The text of a paragraph, that of boxes in it included."""
    for element in within:
        if element.tag in _TEXTS:
            yield element.text or ""
        elif element.tag in _SIGNS:
            yield _SIGNS[element.tag]
        elif element.tag not in _LEFT_OUT:
            yield "\n" if element.tag == _P else ""
            yield from _pieces(element)
