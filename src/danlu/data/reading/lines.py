"""Lines of a text file in one pass and constant memory: split, decoded, the encoding told apart on the way."""

import codecs
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.charset import SAMPLE, is_short_gb18030, likeliest, perhaps
from danlu.data.reading.read_ahead import read_ahead
from danlu.data.reading.source_file import SourceFile
from danlu.refusal import Refusal

LINE_LIMIT = 2**24
"""Bytes: what is longer is no line of text, but a file without line ends."""

NO_TEXT = frozenset(("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"))
"""Codecs of Python that are no encodings of files."""

_BLOCK = 2**20  # bytes that are read, decoded and split at a time

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)

Read = Callable[[int], bytes]

Lines = Iterator[tuple[int, str]]
"""Lines with their numbers, from 1, each with its line end `\\n` if it has one."""


def lines(source: SourceFile, encoding: str = "auto", bad_rows: BadRows | None = None) -> Lines:
    r"""Yield the lines; only `\n` ends one, other line separators of Unicode are text.

    A file without any `\n` in its first megabyte but with `\r`, as the Macintosh had it, has lines that end with that.
    With "auto" the first lines that are not plain ASCII decide between UTF-8 and GB18030; UTF-16 and UTF-32 are
    known by their marks. A line that is too long, holds zero bytes or is not of the encoding is a bad row.

    Raises:
        Refusal: the file cannot be read, or seems to be in neither of the encodings that are told apart; or a bad
            row, unless `bad_rows` takes it.
    """
    for block in blocks(source, encoding, bad_rows or BadRows(stop=True)):
        yield from block.lines()


@dataclass(frozen=True)
class Block:
    """Whole lines of a file, about a megabyte of them.

    - `number`: of the first line.
    - `utf8`: the bytes where they are meant as UTF-8, for a parser that checks them itself; else empty.
    - `lines`: the lines with their numbers; a line that cannot be read goes to the bad rows then.
    """

    number: int
    utf8: bytes
    lines: Callable[[], Lines]


def blocks(source: SourceFile, encoding: str, bad_rows: BadRows) -> Iterator[Block]:
    """Yield the file in blocks of whole lines; see `lines`."""
    with source.open() as opened:
        stream, start = opened, opened.peek(8)
        if b"\r" in start and b"\n" not in start:  # of the Macintosh, or a long first line with a stray one
            stream = read_ahead(opened, _BLOCK)
            start = stream.peek(_BLOCK)
        encoding = _marked(start) or encoding if encoding == "auto" else _without_mark(encoding, start)
        if encoding != "auto" and not _extends_ascii(encoding):
            yield Block(1, b"", lambda: _wide_lines(stream, source.name, encoding))
            return
        read = _with_usual_ends(stream.read1) if b"\r" in start and b"\n" not in start else stream.read1
        decoder = _Decoder(source.name, encoding, bad_rows)
        for number, content in _whole_lines(read, source.name, bad_rows):
            plain = content.removeprefix(codecs.BOM_UTF8) if number == 1 else content
            meant = decoder.encoding_of(number, plain)
            yield Block(number, plain if meant == "utf-8" else b"", partial(decoder.lines, number, plain))


def decoded(content: bytes, name: str, encoding: str = "auto") -> str:
    """The text of a file that was read as a whole; its lines may have any length.

    Raises:
        Refusal: it is not of one encoding.
    """
    wide = _marked(content[:4]) if encoding == "auto" else _without_mark(encoding, content[:4])
    try:
        if wide is not None:
            marked = codecs.lookup(wide).name == "utf-8"  # whose mark Python leaves in the text
            return (content.removeprefix(codecs.BOM_UTF8) if marked else content).decode(wide)
        if not is_short_gb18030(content):
            return content.removeprefix(codecs.BOM_UTF8).decode("utf-8")
    except UnicodeDecodeError as error:
        if wide is not None:
            raise Refusal(
                f"{name}, byte {error.start + 1}: is no {wide} ({error.reason}); save the file as UTF-8"
            ) from error
    decoder = _Decoder(name, encoding, BadRows(stop=True))
    return "".join(line for _, line in decoder.lines(1, content.removeprefix(codecs.BOM_UTF8)))


def _without_mark(encoding: str, start: bytes) -> str:
    """The encoding as it is told by the mark at the start, where one is there that is named: it is no text."""
    wide = _marked(start)
    named = codecs.lookup(encoding).name
    return wide if wide is not None and named in (f"{wide}-le", f"{wide}-be") else encoding


def _marked(start: bytes) -> str | None:
    return next((name for mark, name in _BYTE_ORDER_MARKS if start.startswith(mark)), None)


def _with_usual_ends(read: Read) -> Read:
    """Reads the line ends of the Macintosh as the usual ones."""
    return lambda size: read(size).replace(b"\r", b"\n")


def _whole_lines(read: Read, name: str, bad_rows: BadRows) -> Iterator[tuple[int, bytes]]:
    """Bytes of whole lines, with the number of the first."""
    number, pieces, waiting = 1, [b""], 0  # pieces: the beginning of a line that no block has ended yet
    while block := read(_BLOCK):
        end = block.rfind(b"\n") + 1
        if not end:
            pieces.append(block)
            waiting += len(block)
            if waiting > LINE_LIMIT:
                bad_rows.reject(
                    name,
                    f"line {number}",
                    f"is longer than {LINE_LIMIT} bytes; break it into lines",
                    pieces[0] or pieces[1],
                )
                pieces, waiting = [_after_line_end(read)], 0
                number += 1
            continue
        whole = b"".join([*pieces, block[:end]])
        yield number, whole
        number += whole.count(b"\n")
        pieces, waiting = [block[end:]], len(block) - end
    if rest := b"".join(pieces):
        yield number, rest


def _after_line_end(read: Read) -> bytes:
    """Read on to the end of the line, and give what was read of the next."""
    while block := read(_BLOCK):
        if (end := block.find(b"\n")) >= 0:
            return block[end + 1 :]
    return b""


class _Decoder:
    """Decodes blocks of whole lines; remembers which encoding the file has shown."""

    def __init__(self, name: str, encoding: str, bad_rows: BadRows) -> None:
        self._name = name
        self._bad_rows = bad_rows
        self._stated = encoding != "auto"
        self._encoding: str | None = encoding if self._stated else None
        self._shown_in = 0  # line that showed the encoding

    def lines(self, number: int, block: bytes) -> Lines:
        """The lines of a block whose first has this number."""
        encoding = self.encoding_of(number, block)
        # A block that is UTF-8 throughout is taken at once; of GB18030 every line is looked at, for what is
        # Chinese in UTF-8 can be read as GB18030 too.
        if b"\0" not in block and (self._stated or encoding == "utf-8"):
            try:
                text = block.decode(encoding)
            except UnicodeDecodeError:
                pass
            else:
                yield from enumerate(io.StringIO(text, newline="\n"), number)
                return
        for place, line in enumerate(_split(block), number):
            if (decoded := self._decoded(place, line, encoding)) is not None:
                yield place, decoded

    def encoding_of(self, number: int, block: bytes) -> str:
        """What a block is to be read as: the encoding that is stated, or that this or an earlier block shows.

        Raises:
            Refusal: it can be read as GB18030, but is likelier something else.
        """
        if self._encoding is None and not block.isascii():
            self._decide(number, block)
        if self._encoding == "gb18030" and not self._stated:
            self._refuse_doubtful(number, block)
        return self._encoding or "utf-8"

    def _refuse_doubtful(self, number: int, block: bytes) -> None:
        foreign: list[bytes] = []
        first, size = 0, 0
        for place, line in enumerate(_split(block), number):
            if not line.isascii() and _read_as(line, "utf-8") is None:
                foreign.append(line)
                first, size = first or place, size + len(line)
            if size >= SAMPLE:
                break
        if foreign and (likelier := perhaps(foreign)) is not None:
            guess = f"more likely {likelier}" if likelier else "hardly so"
            raise Refusal(
                f"{self._name}, line {first}: can be read as GB18030, but is {guess} as its characters show; name its "
                f"'encoding', such as {likelier or 'latin-1'}, gb18030 if it is that, or save the file as UTF-8"
            )

    def _decide(self, number: int, block: bytes) -> None:
        seen: dict[str, list[int]] = {"utf-8": [], "gb18030": []}
        if is_short_gb18030(block):
            self._encoding, self._shown_in = "gb18030", number
            return
        try:
            block.decode("utf-8")
            self._encoding = "utf-8"
            self._shown_in = next(n for n, line in enumerate(_split(block), number) if not line.isascii())
        except UnicodeDecodeError:
            for place, line in enumerate(_split(block), number):
                if (shown := _shown_encoding(line)) in seen:
                    seen[shown].append(place)
            if seen["utf-8"] or seen["gb18030"]:
                # What most lines are, or on a tie the first of them.
                self._encoding = min(seen, key=lambda name: (-len(seen[name]), seen[name][:1]))
                self._shown_in = seen[self._encoding][0]

    def _decoded(self, number: int, line: bytes, encoding: str) -> str | None:
        """The text of a line, or None for a bad row."""
        shown = "either" if self._stated or line.isascii() else _shown_encoding(line)
        if b"\0" in line:
            reason = "holds zero bytes, so it is no text; save the file as UTF-8 text"
        elif shown not in ("either", encoding):
            reason = _foreign(line, shown, encoding, self._shown_in, guessing=self._bad_rows.stop)
        else:
            try:
                return line.decode(encoding)
            except UnicodeDecodeError as error:
                reason = f"is no {encoding} ({error.reason} at byte {error.start + 1}); save the file as UTF-8"
        self._bad_rows.reject(self._name, f"line {number}", reason, line)
        return None


def _split(block: bytes) -> list[bytes]:
    """Lines with their ends; only the line feed ends one, not the carriage return as `bytes.splitlines` has it."""
    found = [line + b"\n" for line in block.split(b"\n")]
    found[-1] = found[-1][:-1]
    return found if found[-1] else found[:-1]


def _shown_encoding(line: bytes) -> str:
    """`utf-8` or `gb18030` if only that can be meant; `either`; or `neither`."""
    if line.isascii():
        return "either"
    utf8, gb18030 = _read_as(line, "utf-8"), _read_as(line, "gb18030")
    if utf8 is None:
        return "neither" if gb18030 is None else "gb18030"
    # Short GB18030 lines may be valid UTF-8 by chance, but then of Latin or Cyrillic letters.
    return "utf-8" if gb18030 is None or len(re.findall("[\u2e80-\uffef]", utf8)) > 1 else "either"


def _foreign(line: bytes, shown: str, encoding: str, shown_in: int, *, guessing: bool) -> str:
    names = {"utf-8": "UTF-8", "gb18030": "GB18030"}
    if shown == "neither":
        guess = likeliest(line[:SAMPLE]) if guessing else ""
        perhaps_it = f", {guess} perhaps" if guess else ""
        return f"is neither UTF-8 nor GB18030; save the file as UTF-8, or name its 'encoding'{perhaps_it}"
    if shown == "gb18030" and _read_as(line, "gb2312") is None:  # damaged UTF-8 reads as rare characters of GB18030
        return f"is no UTF-8, as line {shown_in} is; mend it, or name the file's 'encoding'"
    return f"is {names[shown]}, but line {shown_in} is {names[encoding]}; save the whole file as UTF-8"


def _read_as(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def _wide_lines(stream: io.BufferedReader, name: str, encoding: str) -> Lines:
    """Lines of an encoding in which a byte that looks like a line end need not be one, as in UTF-16."""
    number = 0
    start = stream.peek(8).decode(encoding, "ignore")
    end = "\r" if "\r" in start and "\n" not in start else "\n"
    with io.TextIOWrapper(stream, encoding, newline=end) as text:
        try:
            while line := text.readline(LINE_LIMIT + 1):
                number += 1
                line = line.removesuffix("\r") + "\n" if end == "\r" else line
                if len(line) > LINE_LIMIT:
                    raise Refusal(f"{name}, line {number}: is longer than {LINE_LIMIT} bytes; break it into lines")
                yield number, line
        except UnicodeError as error:
            raise Refusal(f"{name}, near line {number + 1}: is no {encoding} ({error}); save it as UTF-8") from error


@cache
def _extends_ascii(encoding: str) -> bool:
    """Whether every byte below 128 is ASCII wherever it stands at the start of a character."""
    plain = bytes(range(128))
    return encoding.startswith("utf-8") or _read_as(plain, encoding) == plain.decode("ascii")
