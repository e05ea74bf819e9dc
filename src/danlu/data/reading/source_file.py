"""A data file, here or remote: found by its path or by a pattern, and unpacked within limits."""

import fnmatch
import gzip
import io
import zipfile
import zlib
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from danlu.machine.located import located, matching
from danlu.machine.remote import RemoteFile, find_remote, is_remote, shown
from danlu.refusal import Refusal

WHOLE_LIMIT = 2**29
"""Bytes of a file that can only be read as a whole, such as one list of json: it takes some five times that."""

_UNPACKED_LIMIT = 2**35
"""Bytes that a zip or gzip may unpack to."""

_RATIO_LIMIT = 250
"""Text packs 3 to 20 times smaller, a zip bomb 1,000 times; looked at beyond 64 MiB only."""


_ROWS = 2**20
_ROWS_A_BYTE = 4
"""Rows of a packed file; of any text at all a row takes more than a packed byte."""

_COLUMNS_RATIO = 1000
"""As `_RATIO_LIMIT` for files of columns, which keep a text that stands in many rows once."""


@dataclass(frozen=True)
class SourceFile:
    """One file with data, perhaps a member of a zip.

    - `name`: what messages call it, such as `reviews.zip:train.tsv`.
    - `file`: where it lies.
    - `member`: its name inside the zip, or None.
    """

    name: str
    file: Path | RemoteFile
    member: str | None = None

    @property
    def inner_name(self) -> str:
        """The name of the data itself, without the packing: `train.tsv` for `reviews.zip:train.tsv.gz`."""
        name = Path(self.member or self.file.name).name
        return name[:-3] if name.lower().endswith(".gz") else name

    @property
    def packed(self) -> bool:
        """Whether the data lies in a zip or gzip."""
        return self.member is not None or self.file.name.lower().endswith(".gz")

    @property
    def packed_size(self) -> int | None:
        """Bytes of a zip or gzip; None for what is not packed, or where that is not known."""
        return _size(self.file) if self.packed else None

    def open(self) -> io.BufferedReader:
        """The unpacked bytes, as a buffered stream.

        Raises:
            Refusal: the file cannot be read, or unpacks to more than the limit; also while reading, where a
                zip or gzip is damaged or a remote file breaks off.
        """
        with ExitStack() as opened:
            try:
                stream: IO[bytes] = self.file.open("rb")
                if not self.packed and isinstance(stream, io.BufferedReader):
                    return stream
                opened.enter_context(stream)
                packed = _size(self.file)
                if self.member is not None:
                    archive = opened.enter_context(zipfile.ZipFile(stream))
                    packed = archive.getinfo(self.member).compress_size
                    stream = opened.enter_context(archive.open(self.member))
                if (self.member or self.file.name).lower().endswith(".gz"):
                    stream = cast(IO[bytes], opened.enter_context(gzip.open(stream)))
            except (OSError, zipfile.BadZipFile, RuntimeError) as error:  # RuntimeError: encrypted, or unknown packing
                raise Refusal(f"{self.name}: cannot be opened ({error}); give a file that can be read") from error
            limit = min(_UNPACKED_LIMIT, max(2**26, _RATIO_LIMIT * packed)) if self.packed and packed else None
            return io.BufferedReader(_Unpacked(stream, self.name, limit, opened.pop_all()), 2**17)

    def open_seekable(self) -> IO[bytes]:
        """The unpacked bytes, for formats that are read from their end; what is packed is unpacked into memory.

        Raises:
            Refusal: as `open` does; what is packed is larger than `WHOLE_LIMIT`.
        """
        if not self.packed:
            return self.file.open("rb")
        return io.BytesIO(self.content())

    def content(self) -> bytes:
        """All unpacked bytes.

        Raises:
            Refusal: as `open` does; or they are more than `WHOLE_LIMIT`.
        """
        with self.open() as stream:
            found = stream.read(WHOLE_LIMIT + 1)
        if len(found) > WHOLE_LIMIT:
            raise Refusal(
                f"{self.name}: has more than {WHOLE_LIMIT >> 20} MiB, which is too much for a file that is read as a "
                "whole; split it, unpack it, or write it as json lines or Parquet"
            )
        return found


class _Unpacked(io.RawIOBase):
    """Bytes of a packed or remote file; what is damaged, breaks off or unpacks to far too much is refused."""

    def __init__(self, stream: IO[bytes], name: str, limit: int | None, opened: ExitStack) -> None:
        self._stream = stream
        self._opened = opened
        self._name = name
        self._limit = limit  # bytes; None for what is not packed
        self._read = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._stream.read(len(buffer))
        except (OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            what = "file breaks off" if self._limit is None else "packed file is damaged or cut short"
            raise Refusal(
                f"{self._name}: the {what} after {self._read} bytes ({error}); fetch or pack it again"
            ) from error
        self._read += len(data)
        if self._limit is not None and self._read > self._limit:
            raise Refusal(
                f"{self._name}: unpacks to more than {self._limit} bytes, as a zip bomb does; "
                "unpack it yourself if you trust it, and give the unpacked file"
            )
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self._opened.close()
        super().close()


def refuse_rows(name: str, rows: int, packed: int) -> None:
    """Raises `Refusal` for more rows than so many packed bytes can hold of anything worth reading."""
    if rows > max(_ROWS, _ROWS_A_BYTE * packed):
        raise Refusal(
            f"{name}: holds more than {max(_ROWS, _ROWS_A_BYTE * packed):,} rows in {packed:,} packed bytes, as a zip "
            "bomb does; unpack it yourself if you trust it, or write its rows anew without those that repeat"
        )


def refuse_bytes(name: str, unpacked: int, packed: int) -> None:
    """Raises `Refusal` for columns that unpack to far more than so many packed bytes should."""
    if unpacked > max(2**28, _COLUMNS_RATIO * packed):
        raise Refusal(
            f"{name}: unpacks to more than {max(2**28, _COLUMNS_RATIO * packed):,} bytes from {packed:,}, as a zip "
            "bomb does; write its rows anew without those that repeat"
        )


def locate(path: str) -> Path:
    """Where a file lies; `package:name/inside.txt` is found in an installed package without importing it.

    Raises:
        Refusal: there is no such file or package.
    """
    if not path:
        raise Refusal("the path is empty; give that of a file with data")
    file = located(path)
    if file.is_dir():
        raise Refusal(f"{path}: is a folder; name a file in it, or several by a pattern such as {path}/*.txt")
    if not file.is_file():
        raise Refusal(f"{path}: there is no such file; give the path of a file with data")
    return file


def find_paths(path: str) -> list[str]:
    """The paths that a path with `*`, `?`, `[...]` or `**` means, sorted; a file of that very name is itself.

    Raises:
        Refusal: no file matches; or a remote place cannot be reached.
    """
    if is_remote(path):
        found = [file.url for file in find_remote(path)]
    elif not any(sign in path for sign in "*?["):
        return [path]
    else:
        found = [name for name in matching(path) if located(name).is_file()]
    if not found:
        raise Refusal(f"{shown(path)}: no file matches; check the pattern and the folder")
    return found


def find_source(path: str, member: str | None = None) -> SourceFile:
    """The file of a path, and in a zip the one member that `member`, a name or a glob, means.

    Raises:
        Refusal: there is no such file or member, several members match, or the file is empty or no zip.
    """
    file = RemoteFile(path) if is_remote(path) else locate(path)
    path = shown(path) if is_remote(path) else path
    if _size(file) == 0:
        raise Refusal(f"{path}: the file is empty; give one with data")
    if file.suffix.lower() != ".zip":
        if member is not None:
            raise Refusal(f"{path}: 'member' is {member!r} but this is no zip; leave 'member' out")
        return SourceFile(path, file)
    try:
        with file.open("rb") as stream, zipfile.ZipFile(stream) as archive:
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


def _size(file: Path | RemoteFile) -> int | None:
    return file.size() if isinstance(file, RemoteFile) else file.stat().st_size


def _holds_data(name: str) -> bool:
    return not (name.endswith("/") or name.startswith("__MACOSX/") or Path(name).name.startswith("."))


def _matches(name: str, pattern: str) -> bool:
    return name == pattern or fnmatch.fnmatchcase(name, pattern) or fnmatch.fnmatchcase(Path(name).name, pattern)
