"""Files that a URL names, through fsspec: `s3://`, `gs://`, `https://`, `memory://` and whatever else it opens."""

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, cast
from urllib.parse import urlsplit

from danlu.refusal import Refusal

PATIENCE = 30.0
"""Seconds that a web server may be silent."""


def is_remote(path: str) -> bool:
    """Whether a path is a URL."""
    return "://" in path


def shown(url: str) -> str:
    """The URL as messages may show it: without user, password and what follows a question mark."""
    if "://" not in url:
        return url
    before, scheme, rest = url.rpartition("://")
    place, _, path = rest.partition("/")
    return f"{before}{scheme}{place.rpartition('@')[2]}/{path}".partition("?")[0]


@dataclass(frozen=True)
class RemoteFile:
    """One file that a URL names; it offers what is read of a `pathlib.Path`."""

    url: str

    @property
    def name(self) -> str:
        """The last part of the path."""
        return shown(self.url).rpartition("/")[2]

    @property
    def suffix(self) -> str:
        """The last suffix of the name, with its dot."""
        return "." + self.name.rpartition(".")[2] if "." in self.name else ""

    def open(self, mode: str = "rb") -> IO[bytes]:
        """The bytes as a stream that seeks where the protocol can.

        Raises:
            Refusal: the file is not there or cannot be reached; also while reading.
        """
        with _refused(self.url):
            filesystem, path = _filesystem(self.url)
            return cast(IO[bytes], _Stream(filesystem.open(path, mode), filesystem, self.url))

    def size(self) -> int | None:
        """Bytes, or None where the server does not tell."""
        with _refused(self.url):
            filesystem, path = _filesystem(self.url)
            size = filesystem.info(path).get("size")
            return None if size is None else int(size)

    def fingerprint(self) -> str:
        """A hash of what the server tells of the file (size, time, entity tag), which changes with the content."""
        with _refused(self.url):
            filesystem, path = _filesystem(self.url)
            told = filesystem.info(path)
        kept = {key: str(value) for key, value in told.items() if key.lower() in _TELLING}
        return hashlib.sha256(repr([shown(self.url), sorted(kept.items())]).encode()).hexdigest()


class _Stream(io.RawIOBase):
    """A remote file that is being read; whatever its protocol raises is told in a sentence."""

    def __init__(self, stream: Any, filesystem: Any, url: str) -> None:
        self._stream, self._url = stream, url
        self._filesystem = filesystem  # some, as that of a zip, close their files when they are let go

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return bool(self._stream.seekable())

    def readinto(self, buffer: Any) -> int:
        with self._refused():
            data = self._stream.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        with self._refused():
            return int(self._stream.seek(offset, whence))

    def tell(self) -> int:
        return int(self._stream.tell())

    def close(self) -> None:
        self._stream.close()
        super().close()

    @contextmanager
    def _refused(self) -> Iterator[None]:
        with _refused(self._url):
            try:
                yield
            except ValueError as error:  # fsspec's word for a server that knows no ranges
                raise Refusal(
                    f"{shown(self._url)}: its server gives files from their beginning to their end alone, and this "
                    "kind is read in parts; fetch it, and give the path of the file here"
                ) from error


_TELLING = {"size", "etag", "mtime", "created", "lastmodified", "last_modified", "updated", "md5hash", "versionid"}


def find_remote(pattern: str) -> list[RemoteFile]:
    """The files that a URL with `*`, `?` or `[...]` means, sorted by name; a URL without them is one file.

    Raises:
        Refusal: the place cannot be reached, or credentials stand in the URL.
    """
    if "@" in urlsplit(pattern).netloc:
        raise Refusal(
            f"{shown(pattern)}: user and password stand in the path, and would be written into locks and reports; "
            "leave them to the environment or to fsspec's configuration (FSSPEC_<PROTOCOL>_USERNAME, ..._PASSWORD)"
        )
    if not any(sign in pattern.partition("://")[2] for sign in "*["):  # `?` begins the query of a web address
        return [RemoteFile(pattern)]
    with _refused(pattern):
        filesystem, path = _filesystem(pattern)
        names = sorted(name for name in filesystem.glob(path) if not filesystem.isdir(name))
        return [RemoteFile(filesystem.unstrip_protocol(name)) for name in names]


def _filesystem(url: str) -> tuple[Any, str]:
    from fsspec.core import url_to_fs

    options: dict[str, Any] = {}
    if url.startswith(("http://", "https://")):
        from aiohttp import ClientTimeout

        # a file may take hours, as long as something of it comes
        options["client_kwargs"] = {"timeout": ClientTimeout(total=None, sock_connect=PATIENCE, sock_read=PATIENCE)}
    try:
        filesystem, path = url_to_fs(url, **options)
    except ValueError as error:
        raise Refusal(f"{shown(url)}: this is no address that can be opened ({error}); check its beginning") from error
    return filesystem, path


@contextmanager
def _refused(url: str) -> Iterator[None]:
    try:
        yield
    except ImportError as error:
        raise Refusal(
            f"{shown(url)}: this protocol needs a package that is not installed "
            f"({str(error).partition(chr(10))[0]}); run: pip install 'danlu[remote]'"
        ) from error
    except FileNotFoundError as error:  # over http for every error: a server that is not there, too
        where = " or its server does not answer" if url.startswith("http") else ""
        raise Refusal(f"{shown(url)}: there is no such file{where}; check the address") from error
    except Refusal:
        raise
    except Exception as error:  # every protocol raises its own; its words may repeat the address with its secrets
        raise Refusal(
            f"{shown(url)}: cannot be reached ({type(error).__name__}); check the address, the network and the rights"
        ) from error
