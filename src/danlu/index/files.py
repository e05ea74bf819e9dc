"""Documents of a folder: text, Markdown, HTML, PDF, Word, and a document a row of tables.

Ids are paths within the folder, `guide/start.md`; of a row with its id or number behind, `tickets.csv#17`.
"""

import os
import re
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import guess
from danlu.data.reading.html_text import decoded_page, text_of_html, title_of_html
from danlu.data.reading.lines import decoded
from danlu.data.record import Record
from danlu.index.document import LONGEST_FACT, LONGEST_NAME, MOST_FACTS, Document, checked
from danlu.index.docx_text import text_of_docx
from danlu.index.pdf_text import text_of_pdf
from danlu.refusal import Empty, Refusal

READ = 3
"""Of what files give; one that an older danlu has read is read anew."""

SHORT = 200
"""Characters of a column that is told beside the text of its row."""

LARGEST = 2**28
"""Bytes of a file that is read."""

MARKDOWN = (".md", ".markdown")
PAGES = (".html", ".htm")
TABLES = (".csv", ".tsv", ".jsonl")
WRITTEN = {".pdf": text_of_pdf, ".docx": text_of_docx}
KNOWN = (".txt", *MARKDOWN, *PAGES, *WRITTEN, *TABLES)

_TEXTS = ("text", "content", "body")
_TITLES = ("title", "subject", "question")
_IDS = ("id", "number", "key")
_KEYWORDS = re.compile(
    r"(?:tag|keyword|label|topic)s?|categor(?:y|ies)|标签|標籤|关键[词字]|關鍵[詞字]|类别|類別|分类|分類", re.IGNORECASE
)
"""Columns of words that the text says better."""
_NO_WORDS = re.compile(r"\[[\s\d.,eE+\-\[\]]*|https?://\S+")


def files_in(folder: Path, unread: list[tuple[str, str]]) -> Iterator[tuple[str, Path]]:
    """The files of a folder and of those below that may be documents, with their paths within it, sorted.

    What is hidden is passed over; others go to `unread` with the reason.

    Raises:
        Refusal: there is no such folder, or what is in it cannot be told.
    """
    if not folder.is_dir():
        raise Refusal(f"{folder}: is no folder; give the folder with the documents")
    inside = folder.resolve()
    found = []

    def closed(error: OSError) -> None:
        place = folder if error.filename is None else Path(os.fsdecode(error.filename))
        if place == folder:  # not that nothing is there any more
            told = f"cannot be looked into ({error.strerror}), and nothing was changed; see that it may be read"
            raise Refusal(f"{folder}: {told}") from None
        name = place.relative_to(folder).as_posix()
        unread.append((f"{_readable(name)}/", f"cannot be looked into ({error.strerror})"))

    for place, folders, names in os.walk(folder, onerror=closed):
        found += [Path(place) / name for name in folders if _is_link(Path(place) / name)]
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place) / name for name in names if not name.startswith((".", "~$"))]
    for path in sorted(found):
        name = _readable(path.relative_to(folder).as_posix())
        try:
            _refuse_unreadable(path, inside)
        except Unread as why:
            unread.append((name, str(why)))
        else:
            yield name, path


def _is_link(path: Path) -> bool:
    try:
        return path.is_symlink()
    except OSError:  # a folder that may be listed and not entered; walking on tells so
        return False


class Unread(Refusal):
    """Why a file, or rows of one, are not read."""


def _refuse_unreadable(path: Path, inside: Path) -> None:
    """Raise `Unread` where a file is not to be read."""
    try:
        if path.is_symlink() and path.is_dir():
            raise Unread("is a link to a folder; copy the folder")
        if path.suffix.lower() not in KNOWN:
            raise Unread(f"'{path.suffix}' is none of {', '.join(KNOWN)}")
        if not path.is_file():
            raise Unread("is no file that can be read")
        if not path.resolve().is_relative_to(inside):
            raise Unread("is a link that leads out of the folder; copy the file")
        if path.stat().st_size > LARGEST:
            raise Unread(f"has more than {LARGEST >> 20} MiB; divide it")
    except (OSError, RuntimeError) as error:  # it is gone meanwhile, or links lead in a circle
        raise Unread(f"cannot be looked at ({error})") from None


def documents_in(path: Path, name: str, unread: list[tuple[str, str]]) -> list[Document]:
    """The documents of a file, which is called `name`; rows of a table that cannot be read are told in `unread`.

    Raises:
        Empty: it was read, and holds nothing.
        Refusal: it cannot be read.
    """
    if path.stat().st_size == 0:
        raise Empty(f"{name}: holds no text")
    suffix = path.suffix.lower()
    if suffix in TABLES:
        bad = BadRows()
        try:
            rows = list(guess(str(path), settings=["on_bad_row=skip"]).read(bad_rows=bad))
        except Refusal:
            if path.read_bytes().removeprefix(BOM_UTF8).strip():
                raise
            raise Empty(f"{name}: holds no rows") from None
        if bad.count:
            first = bad.first[0].removeprefix(str(path)).lstrip(", :")
            unread.append((name, str(Unread(f"rows left out: {bad.count:,}; the first: {first}"))))
        return _of_rows(rows, name, unread)
    title = ""
    if suffix in WRITTEN:
        text = WRITTEN[suffix](path)
    elif suffix in PAGES:
        page = decoded_page(path.read_bytes(), name)
        title, text = title_of_html(page), text_of_html(page)
    else:
        text = decoded(path.read_bytes(), name).replace("\r\n", "\n")
        title = _heading(text) if suffix in MARKDOWN else ""
    if not text.strip():
        raise Empty(f"{name}: holds no text")
    return [checked(Document(name, text, (title or _readable(path.stem))[:LONGEST_NAME], {"file": name}))]


def _of_rows(records: list[Record], name: str, unread: list[tuple[str, str]]) -> list[Document]:
    """A document of each row; ids are those of a column, if it has one for each. What cannot be kept is `unread`.

    Its text is that of a column of this name, and what the others say by their names; a title is found by itself.
    """
    texts = [{key: _shown(value) for key, value in record.items() if value is not None} for record in records]
    keys = next(
        (column for column in _IDS if len({row.get(column, "").strip() for row in texts} - {""}) == len(texts)), None
    )
    found, left = [], list[str]()
    for number, row in enumerate(texts, 1):
        told = {column: value for column, value in row.items() if value.strip()}
        titled, main = (next((column for column in names if column in told), "") for names in (_TITLES, _TEXTS))
        short = {column: value for column, value in row.items() if len(value) <= LONGEST_FACT and column != main}
        aside = {keys, titled, main} if main else {keys}
        lines = [
            f"{column}: {value}"
            for column, value in told.items()
            if column not in aside and not (main and _is_aside(column, value.strip()))
        ]
        title, text = told.get(titled, ""), "\n".join([told[main], *lines] if main else lines)
        facts = dict(list(short.items())[: MOST_FACTS - 1]) | {"file": name}
        document = f"{name}#{row[keys].strip() if keys else number}"
        title = title if len(title) <= LONGEST_NAME else title[: LONGEST_NAME - 1] + "…"
        if text.strip():
            try:
                found.append(checked(Document(document, text, title, facts)))
            except Refusal as refusal:
                left.append(str(Unread(f"row {number:,}: {refusal}")))
    if left:
        unread.append((name, str(Unread(f"rows left out: {len(left):,}; the first: {left[0]}"))))
    if not found and not left:
        raise Empty(f"{name}: holds no text")
    return found


def _is_aside(column: str, value: str) -> bool:
    """Whether a column is of no use beside the text of its row: long ones, keywords, lists of numbers, addresses."""
    told = len(value) <= SHORT and "\n" not in value and "\r" not in value
    return not told or bool(_KEYWORDS.fullmatch(column.strip()) or _NO_WORDS.fullmatch(value))


def _shown(value: object) -> str:
    return value if isinstance(value, str) else str(value)


def _heading(text: str) -> str:
    """The first heading of Markdown."""
    line = next((line for line in text[:5000].splitlines() if line.startswith("# ")), "")
    return line[2:].strip()


def _readable(name: str) -> str:
    """A name as text; what is none on this system is shown as escapes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
