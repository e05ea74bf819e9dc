"""A data file: found, unpacked within limits, its encoding told apart, and read line by line."""

import codecs
import fnmatch
import gzip
import io
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any, BinaryIO, cast

from danlu.refusal import Refusal

LINE_LIMIT = 2**24
"""Characters: what is longer is no line of text, but a file without line ends."""

_UNPACKED_LIMIT = 2**35
"""Bytes that a zip or gzip may unpack to."""

_RATIO_LIMIT = 250
"""Text packs 3 to 20 times smaller, a zip bomb 1,000 times; looked at beyond 64 MiB only."""

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


@dataclass(frozen=True)
class SourceFile:
    """One file with data, perhaps a member of a zip.

    - `name`: what messages call it, such as `reviews.zip:train.tsv`.
    - `file`: where it lies.
    - `member`: its name inside the zip, or None.
    """

    name: str
    file: Path
    member: str | None = None

    @property
    def inner_name(self) -> str:
        """The name of the data itself, without the packing: `train.tsv` for `reviews.zip:train.tsv.gz`."""
        name = Path(self.member or self.file).name
        return name[:-3] if name.lower().endswith(".gz") else name

    @property
    def packed(self) -> bool:
        """Whether the data lies in a zip or gzip."""
        return self.member is not None or self.file.name.lower().endswith(".gz")

    def open(self) -> BinaryIO:
        """The unpacked bytes, as a buffered stream.

        Raises:
            Refusal: the file cannot be read, or unpacks to more than the limit; also while reading, where a
                zip or gzip is damaged.
        """
        with ExitStack() as opened:
            try:
                if not self.packed:
                    return self.file.open("rb")
                stream: IO[bytes] = opened.enter_context(self.file.open("rb"))
                packed = self.file.stat().st_size
                if self.member is not None:
                    archive = opened.enter_context(zipfile.ZipFile(stream))
                    packed = archive.getinfo(self.member).compress_size
                    stream = opened.enter_context(archive.open(self.member))
                if (self.member or self.file.name).lower().endswith(".gz"):
                    stream = cast(IO[bytes], opened.enter_context(gzip.open(stream)))
            except (OSError, zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: encrypted, or unknown packing
                raise Refusal(f"{self.name}: cannot be opened ({error}); give a file that can be read") from error
            return io.BufferedReader(_Unpacked(stream, self.name, packed, opened.pop_all()), 2**17)


class _Unpacked(io.RawIOBase):
    """Bytes of a packed file; what is damaged or unpacks to far too much is refused."""

    def __init__(self, stream: IO[bytes], name: str, packed: int, opened: ExitStack) -> None:
        self._stream = stream
        self._opened = opened
        self._name = name
        self._limit = min(_UNPACKED_LIMIT, max(2**26, _RATIO_LIMIT * packed))  # bytes
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise Refusal(
                f"{self._name}: the packed file is damaged or cut short after {self._read} bytes ({error}); "
                "fetch or pack it again"
            ) from error
        self._read += len(data)
        if self._read > self._limit:
            raise Refusal(
                f"{self._name}: unpacks to more than {self._limit} bytes, as a zip bomb does; "
                "unpack it yourself if you trust it, and give the unpacked file"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._opened.close()
        super().close()


def locate(path: str) -> Path:
    """Where a file lies; `package:name/inside.txt` is found in an installed package without importing it.

    Raises:
        Refusal: there is no such file or package.
    """
    file = _in_package(path) if path.startswith("package:") else Path(path)
    if file.is_dir():
        raise Refusal(f"{path}: is a folder; name a file in it")
    if not file.is_file():
        raise Refusal(f"{path}: there is no such file; give the path of a file with data")
    return file


def find_source(path: str, member: str | None = None) -> SourceFile:
    """The file of a path, and in a zip the one member that `member`, a name or a glob, means.

    Raises:
        Refusal: there is no such file or member, several members match, or the file is empty or no zip.
    """
    file = locate(path)
    if file.stat().st_size == 0:
        raise Refusal(f"{path}: the file is empty; give one with data")
    if file.suffix.lower() != ".zip":
        if member is not None:
            raise Refusal(f"{path}: 'member' is {member!r} but this is no zip; leave 'member' out")
        return SourceFile(path, file)
    try:
        with zipfile.ZipFile(file) as archive:
            members = [name for name in archive.namelist() if _holds_data(name)]
    except (zipfile.BadZipFile, OSError) as error:
        raise Refusal(f"{path}: the zip is damaged or cut short ({error}); fetch or pack it again") from error
    found = [name for name in members if member is None or _matches(name, member)]
    if len(found) != 1:
        what = "holds no file" if not members else f"holds {len(found)} files"
        meant = "" if member is None else f" that match 'member' {member!r}"
        there = f" (there are: {', '.join(members[:12])})" if members else ""
        raise Refusal(f"{path}: the zip {what}{meant}{there}; name one of them in 'member'")
    return SourceFile(f"{path}:{found[0]}", file, found[0])


def lines(source: SourceFile, encoding: str = "auto") -> Iterator[str]:
    r"""Yield the lines, each with its line end `\n`; other line separators of Unicode are text.

    Raises:
        Refusal: the bytes are of no one encoding, or a line is longer than `LINE_LIMIT` characters.
    """
    encoding = encoding_of(source) if encoding == "auto" else encoding
    encoding = "utf-8-sig" if encoding == "utf-8" else encoding  # a mark is no text, stated or not
    number = 0
    with io.TextIOWrapper(source.open(), encoding, newline="\n") as stream:
        try:
            while line := stream.readline(LINE_LIMIT + 1):
                number += 1
                if len(line) > LINE_LIMIT:
                    raise Refusal(
                        f"{source.name}, line {number}: is longer than {LINE_LIMIT} characters; break it into lines"
                    )
                yield line
        except UnicodeError as error:
            raise Refusal(
                f"{source.name}, near line {number + 1}: is no {encoding} ({error}); save the file as UTF-8"
            ) from error


def encoding_of(source: SourceFile) -> str:
    """The encoding of the whole file: UTF-8, UTF-16 or UTF-32 by its mark, or GB18030.

    A file is UTF-8 if all of it is; otherwise every line has to be GB18030, and none may be Chinese in UTF-8.

    Raises:
        Refusal: encodings are mixed, or a line is of neither.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    with source.open() as stream:
        start = stream.read(4)
        for mark, encoding in _BYTE_ORDER_MARKS:
            if start.startswith(mark):
                return encoding
        block = start
        try:
            while block:
                if b"\0" in block:
                    raise Refusal(f"{source.name}: holds zero bytes, so it is no text; save it as UTF-8 text")
                decoder.decode(block)
                block = stream.read(2**20)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return _encoding_by_line(source)
    return "utf-8"


def _encoding_by_line(source: SourceFile) -> str:
    seen: dict[str, int] = {}
    with source.open() as stream:
        number = 0
        while line := stream.readline(4 * LINE_LIMIT):
            number += 1
            if line.isascii():
                continue
            utf8, gb18030 = _decoded(line, "utf-8"), _decoded(line, "gb18030")
            if utf8 is None and gb18030 is None:
                raise Refusal(
                    f"{source.name}, line {number}: is neither UTF-8 nor GB18030; save the file as UTF-8, "
                    "or name its 'encoding'"
                )
            if utf8 is None:
                seen.setdefault("GB18030", number)
            elif gb18030 is None or len(re.findall("[\u2e80-\uffef]", utf8)) > 1:
                # Short GB18030 lines may be valid UTF-8 by chance, but then of Latin or Cyrillic letters.
                seen.setdefault("UTF-8", number)
            if len(seen) == 2:
                first, second = seen
                raise Refusal(
                    f"{source.name}, line {number}: is {second}, but line {seen[first]} is {first}; "
                    "save the whole file as UTF-8"
                )
    return "gb18030"


def _decoded(line: bytes, encoding: str) -> str | None:
    try:
        return line.decode(encoding)
    except UnicodeDecodeError:
        return None


def _in_package(path: str) -> Path:
    package, _, inside = path.removeprefix("package:").partition("/")
    if not package.isidentifier() or not inside or ".." in Path(inside).parts or Path(inside).is_absolute():
        raise Refusal(f"{path}: expected 'package:name/file', a file inside an installed package")
    spec = find_spec(package)
    if spec is None:
        raise Refusal(f"{path}: the package '{package}' is not installed; run: pip install {_requirement(package)}")
    folders = list(spec.submodule_search_locations or [])
    return next((Path(f) / inside for f in folders if (Path(f) / inside).exists()), Path(*folders[:1], inside))


def _requirement(package: str) -> str:
    """What to ask pip for: the smallest extra of danlu that brings the package, or the package itself."""
    try:
        stated = [requirement.partition(";") for requirement in requires("danlu") or []]
    except PackageNotFoundError:
        stated = []
    sizes = Counter(condition for _, _, condition in stated)
    bringing = [condition for name, _, condition in stated if re.match(rf"{re.escape(package)}\b", name)]
    extras = re.findall(
        r"extra == ['\"]([\w-]+)['\"]", min(bringing, key=lambda condition: sizes[condition], default="")
    )
    return f"'danlu[{extras[0]}]'" if extras else package


def _holds_data(name: str) -> bool:
    return not (name.endswith("/") or name.startswith("__MACOSX/") or Path(name).name.startswith("."))


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(Path(name).name, pattern)
