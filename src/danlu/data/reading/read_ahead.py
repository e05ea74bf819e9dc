"""A stream whose beginning is looked at, however little of it the system gives at once."""

import io
from typing import Any


def read_ahead(stream: io.BufferedReader, size: int) -> io.BufferedReader:
    """The same bytes, of which `peek` shows so many."""
    return io.BufferedReader(_Rejoined(stream.read(size), stream), size)


class _Rejoined(io.RawIOBase):
    """A stream behind what was read of it already."""

    def __init__(self, begin: bytes, rest: io.BufferedReader) -> None:
        self._begin, self._rest = begin, rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        given = self._begin[: len(buffer)] or self._rest.read1(len(buffer))
        self._begin = self._begin[len(given) :]
        buffer[: len(given)] = given
        return len(given)
