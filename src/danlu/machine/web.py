"""Pages fetched and messages posted over http and https alone, within limits of size, time and redirects."""

import json
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import partial
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from danlu.machine.networks import is_open
from danlu.refusal import without_secrets

REDIRECTS = 5
REPLY = 64 * 2**10
"""Bytes of what a server says to a message; the rest is not read."""

_BLOCK = 2**16
_AGENT = "danlu"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")
"""Signs that a server may say, and that command a terminal; PostgreSQL keeps no text with the first of them."""
_BREAKING = threading.Lock()


def writable(text: str) -> str:
    """A text that can be written and kept: names of files may hold bytes that are no character."""
    return text.encode("utf-8", "backslashreplace").decode()


class Failed(Exception):
    """What was asked was not done, in a sentence without secrets; `after` are seconds that the server asks to wait."""

    def __init__(self, sentence: str, after: float | None = None) -> None:
        super().__init__(_CONTROLS.sub("\ufffd", writable(without_secrets(sentence)[:500])))
        self.after = after


@dataclass(frozen=True)
class Fetched:
    """A page: what the server said of it, where it was found at last, and its bytes; none where it has not changed."""

    status: int
    headers: Mapping[str, str]
    url: str
    content: bytes


def fetch(url: str, headers: Mapping[str, str], most: int, seconds: float) -> Fetched:
    """A page of at most `most` bytes, unpacked, in at most so many seconds altogether.

    No server may send on into a closed network; one that lies in one itself may send on to itself.

    Raises:
        Failed: it cannot be had.
    """
    ends, way = time.monotonic() + seconds, _Way(url)
    first = url
    for _ in range(REDIRECTS + 1):
        parts = parts_of(url)
        with _connected(parts, ends, first, partial(way.goes, url)) as connection:
            connection.request("GET", _path(parts), None, {"User-Agent": _AGENT, "Accept-Encoding": "gzip", **headers})
            answer = connection.getresponse()
            _left(ends, first)
            if answer.status in (301, 302, 303, 307, 308):
                url = urljoin(url, _as_written(answer.getheader("Location", "")))
                continue
            found = {name.lower(): value for name, value in answer.getheaders()}
            if answer.status == 304:
                return Fetched(304, found, url, b"")
            if answer.status != 200:
                raise Failed(f"{first} answers {answer.status} {answer.reason}", _after(found))
            content = _unpacked(_read(answer, connection, most, ends, first), found, most, first)
            return Fetched(200, found, url, content)
    raise Failed(f"{first} sends on more than {REDIRECTS} times")


@dataclass(frozen=True)
class Answer:
    """What a server says to what was posted, of whatever status; `whole`: `content` is all that it says."""

    where: str
    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes
    whole: bool

    @property
    def after(self) -> float | None:
        """Seconds that it asks to wait."""
        return _after(self.headers)


def post(url: str, body: bytes, headers: Mapping[str, str], seconds: float, most: int = REPLY) -> Answer:
    """Post JSON, in at most so many seconds altogether; what is said beyond `most` bytes is not read.

    A redirect is followed by nobody, as what is posted is meant for this machine alone.

    Raises:
        Failed: the server cannot be reached, or does not come to its end.
    """
    parts, ends = parts_of(url), time.monotonic() + seconds
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    sent = {"User-Agent": _AGENT, "Content-Type": "application/json; charset=utf-8", **headers}
    with _connected(parts, ends, where) as connection:
        connection.request("POST", _path(parts), body, sent)
        answer = connection.getresponse()
        content = answer.read(most + 1)
        _left(ends, where)
    told = {name.lower(): value for name, value in answer.getheaders()}
    return Answer(where, answer.status, answer.reason, told, content[:most], len(content) <= most)


def deliver(url: str, value: Any, headers: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """Post a plain value as JSON, and give what the server says where that is a JSON object.

    Raises:
        Failed: the server cannot be reached, or does not take it, which it does with a status from 200 to 299.
    """
    answer = post(url, json.dumps(value, ensure_ascii=False).encode(), headers, seconds)
    if not 200 <= answer.status < 300:
        raise Failed(f"{answer.where} answers {answer.status} {answer.reason}".rstrip(), answer.after)
    try:
        said = json.loads(answer.content)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def parts_of(url: str) -> SplitResult:
    """The parts of an address. Raises `Failed` for one that is not of http or https."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port is None or parts.port > 0)
        (parts.hostname or "").encode("idna")
    except ValueError:
        sound = False
    if not sound or any(ord(sign) <= 32 for sign in url):
        raise Failed(f"'{url[:200]}' is no address of http or https")
    return parts


class _Plain(HTTPConnection):
    """A connection that is broken off at a moment of `time.monotonic`, however slowly the other side goes on.

    `meets` is called with the address of the other side before anything is sent there, and may raise.
    """

    ends = 0.0
    meets: Callable[[str], object] | None = None
    _line: socket.socket | None = None
    _timer: threading.Timer | None = None

    def connect(self) -> None:
        """Connect, and see to it that this ends."""
        super().connect()
        self._line = self.sock.dup()  # TLS puts another in the place of the first
        self._timer = threading.Timer(max(0.0, self.ends - time.monotonic()), self._break)
        self._timer.daemon = True
        self._timer.start()
        if self.meets is not None:
            self.meets(str(self._line.getpeername()[0]))

    def _break(self) -> None:
        with _BREAKING, suppress(OSError):
            if self._line is not None:
                self._line.shutdown(socket.SHUT_RDWR)

    def leave(self) -> None:
        """Close it; `close` is called by what reads a header, while its page is still to be read."""
        if self._timer is not None:
            self._timer.cancel()
        with _BREAKING:
            line, self._line = self._line, None
        if line is not None:
            line.close()
        self.close()


class _Secure(HTTPSConnection, _Plain):
    """The same over TLS, whose beginning ends as well."""


@dataclass
class _Way:
    """The way from the first address of a page to its last: `begun` is that of the first machine."""

    first: str
    begun: str = ""

    def goes(self, url: str, address: str) -> None:
        """Go to a machine. Raises `Failed` where it is one of a closed network that whoever gave `first` did not mean.

        What counts is where the connection ends, as a name may lead elsewhere each time that it is asked for.
        """
        if not self.begun:
            self.begun = address
            return
        own = address == self.begun or parts_of(url).hostname == parts_of(self.first).hostname
        if not is_open(address) and (is_open(self.begun) or not own):
            raise Failed(f"{self.first} sends on to {url}, which is an address of a closed network")


@contextmanager
def _connected(
    parts: SplitResult, ends: float, told: str, meets: Callable[[str], object] | None = None
) -> Iterator[HTTPConnection]:
    """A connection to a server, told as `told`. Raises `Failed` for all that goes wrong in it."""
    kind = _Secure if parts.scheme == "https" else _Plain
    try:
        connection = kind(str(parts.hostname), parts.port, timeout=_left(ends, told))
        connection.ends, connection.meets = ends, meets
        try:
            connection.connect()
            yield connection
        finally:
            connection.leave()
    except (OSError, HTTPException, ValueError) as error:
        _left(ends, told)
        raise Failed(f"{told} cannot be reached ({_brief(error)})") from error


def _path(parts: SplitResult) -> str:
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return "".join(sign if sign.isascii() else _quoted(sign) for sign in path)


def _quoted(sign: str) -> str:
    return "".join(f"%{byte:02X}" for byte in sign.encode())


def _left(ends: float, url: str) -> float:
    left = ends - time.monotonic()
    if left <= 0:
        raise Failed(f"{url} did not come to its end in time")
    return left


def _read(answer: HTTPResponse, connection: HTTPConnection, most: int, ends: float, url: str) -> bytes:
    parts: list[bytes] = []
    size = 0
    while True:
        if connection.sock is not None:
            connection.sock.settimeout(_left(ends, url))
        part = answer.read1(_BLOCK)
        _left(ends, url)
        if not part:
            if answer.length:  # read1 raises nothing where a connection breaks off
                raise Failed(f"{url} broke off: {answer.length:,} bytes are lacking")
            return b"".join(parts)
        size += len(part)
        if size > most:
            raise Failed(f"{url} has more than {most:,} bytes")
        parts.append(part)


_MEMBER, _MEMBERS = b"\x1f\x8b", 100
"""What each piece of a gzip begins with (RFC 1952, 1996), and how many there may be."""


def _unpacked(content: bytes, headers: Mapping[str, str], most: int, url: str) -> bytes:
    packing = headers.get("content-encoding", "identity").lower()
    if packing in ("identity", ""):
        return content
    if packing not in ("gzip", "x-gzip"):
        raise Failed(f"{url} is packed as '{packing[:40]}', which was not asked for")
    found = b""
    try:
        members = 0
        while content and (not members or content.startswith(_MEMBER)):  # what else stands behind one is nothing
            members += 1
            if members > _MEMBERS:
                raise Failed(f"{url} is packed in more than {_MEMBERS} pieces")
            unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
            found += unpacker.decompress(content, most + 1 - len(found))
            if len(found) > most:
                raise Failed(f"{url} unpacks to more than {most:,} bytes")
            if not unpacker.eof:
                raise Failed(f"{url} broke off: its gzip has no end")
            content = unpacker.unused_data
    except zlib.error as error:
        raise Failed(f"{url} is no sound gzip ({error})") from error
    return found


def _as_written(location: str) -> str:
    """An address that a server has sent on to: http knows Latin-1 there, and servers write UTF-8."""
    try:
        return location.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return location


def _after(headers: Mapping[str, str]) -> float | None:
    """The seconds of `Retry-After`, which tells them or a date (RFC 9110, 2022)."""
    told = headers.get("retry-after", "").strip()
    if told.isdecimal():
        return float(told[:9])
    try:
        return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
    except (ValueError, OverflowError, OSError):
        return None


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
