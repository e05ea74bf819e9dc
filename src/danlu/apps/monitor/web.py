"""Pages fetched and messages posted over http and https alone, within limits of size, time and redirects."""

import ipaddress
import json
import socket
import time
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import SplitResult, urljoin, urlsplit

from danlu.refusal import without_secrets

REDIRECTS = 5
REPLY = 64 * 2**10
"""Bytes of what a server says to a message; the rest is not read."""

_BLOCK = 2**16
_AGENT = "danlu-monitor"


class Failed(Exception):
    """What was asked was not done, in a sentence without secrets; `after` are seconds that the server asks to wait."""

    def __init__(self, sentence: str, after: float | None = None) -> None:
        super().__init__(without_secrets(sentence)[:500])
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

    A server of the open network may not send on to an address of a closed one.

    Raises:
        Failed: it cannot be had.
    """
    ends, first = time.monotonic() + seconds, url
    for _ in range(REDIRECTS + 1):
        parts = parts_of(url)
        if url != first and _is_open(parts_of(first)) and not _is_open(parts):
            raise Failed(f"{first} sends on to {url}, which is an address of a closed network")
        try:
            connection = _connection(parts, _left(ends, first))
            try:
                connection.request(
                    "GET", _path(parts), None, {"User-Agent": _AGENT, "Accept-Encoding": "gzip", **headers}
                )
                answer = connection.getresponse()
                if answer.status in (301, 302, 303, 307, 308):
                    url = urljoin(url, answer.getheader("Location", ""))
                    continue
                found = {name.lower(): value for name, value in answer.getheaders()}
                if answer.status == 304:
                    return Fetched(304, found, url, b"")
                if answer.status != 200:
                    raise Failed(f"{first} answers {answer.status} {answer.reason}", _after(found))
                return Fetched(
                    200, found, url, _unpacked(_read(answer, connection, most, ends, first), found, most, first)
                )
            finally:
                connection.close()
        except (OSError, HTTPException, ValueError) as error:
            raise Failed(f"{first} cannot be reached ({_brief(error)})") from error
    raise Failed(f"{first} sends on more than {REDIRECTS} times")


def post(url: str, body: Any, headers: Mapping[str, str], seconds: float) -> dict[str, Any]:
    """Post a plain value as JSON, and give what the server says where that is a JSON object.

    Raises:
        Failed: the server cannot be reached, or refuses it; a redirect is followed by nobody.
    """
    parts, ends = parts_of(url), time.monotonic() + seconds
    where = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    data = json.dumps(body, ensure_ascii=False).encode()
    sent = {"User-Agent": _AGENT, "Content-Type": "application/json; charset=utf-8", **headers}
    try:
        connection = _connection(parts, _left(ends, where))
        try:
            connection.request("POST", _path(parts), data, sent)
            answer = connection.getresponse()
            content = answer.read(REPLY)
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError) as error:
        raise Failed(f"{where} cannot be reached ({_brief(error)})") from error
    if not 200 <= answer.status < 300:
        told = {name.lower(): value for name, value in answer.getheaders()}
        raise Failed(f"{where} answers {answer.status} {answer.reason}", _after(told))
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}


def parts_of(url: str) -> SplitResult:
    """The parts of an address. Raises `Failed` for one that is not of http or https."""
    try:
        parts = urlsplit(url)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        sound = False
    if not sound or any(ord(sign) <= 32 for sign in url):
        raise Failed(f"'{url[:200]}' is no address of http or https")
    return parts


def _connection(parts: SplitResult, seconds: float) -> HTTPConnection:
    kind = HTTPSConnection if parts.scheme == "https" else HTTPConnection
    return kind(str(parts.hostname), parts.port, timeout=seconds)


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
            return b"".join(parts)
        size += len(part)
        if size > most:
            raise Failed(f"{url} has more than {most:,} bytes")
        parts.append(part)


def _unpacked(content: bytes, headers: Mapping[str, str], most: int, url: str) -> bytes:
    packing = headers.get("content-encoding", "identity").lower()
    if packing in ("identity", ""):
        return content
    if packing not in ("gzip", "x-gzip"):
        raise Failed(f"{url} is packed as '{packing[:40]}', which was not asked for")
    try:
        unpacker = zlib.decompressobj(zlib.MAX_WBITS | 16)
        found = unpacker.decompress(content, most + 1)
    except zlib.error as error:
        raise Failed(f"{url} is no sound gzip ({error})") from error
    if len(found) > most:
        raise Failed(f"{url} unpacks to more than {most:,} bytes")
    return found


def _is_open(parts: SplitResult) -> bool:
    """Whether a machine lies in the open network, as far as its name tells; one whose name is not known does not."""
    try:
        found = socket.getaddrinfo(parts.hostname, None, proto=socket.IPPROTO_TCP)
    except OSError:
        return False
    return all(ipaddress.ip_address(str(each[4][0]).partition("%")[0]).is_global for each in found)


def _after(headers: Mapping[str, str]) -> float | None:
    told = headers.get("retry-after", "")
    return float(told) if told.isdecimal() and len(told) < 7 else None


def _brief(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
