"""A log that grows, read a piece at a time and never whole for one who asks."""

import contextlib
import hashlib
import json
import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from danlu.apps.studio.lines_of_log import LONGEST, Block, read_block, read_line
from danlu.apps.studio.thinned import Thinned
from danlu.machine.files import write_text

PIECE = 2**20
"""Bytes that are read at once: some three thousand lines, a hundredth of a second."""

SAMPLED = 256
"""Places of a long log at which a line is read while the rest is still to come."""

NEWEST = 30
"""Lines that are shown as they stand."""

TOLD = 2000
"""Validations, and notices, that are kept; of more, every second one of the validations, the newest notices."""

WORTH = 2**23
"""Bytes: to read so many again takes longer than a file that says what was in them."""

_TAIL, _PRINT = 2**16, 256
_VERSION = 1


@dataclass
class LogFile:
    """What was read of one `log.jsonl` so far, and where that ends."""

    path: Path
    kept: Path
    offset: int = 0
    lines: int = 0
    bad: int = 0
    thinned: Thinned = field(default_factory=Thinned)
    validations: list[dict[str, Any]] = field(default_factory=list)
    notices: deque[dict[str, Any]] = field(default_factory=lambda: deque(maxlen=TOLD))
    _before: str = ""
    _saved: int = 0
    _opened: bool = False
    _skips: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def look(self, seconds: float) -> tuple[int, int]:
        """Read on for so many seconds at most; gives how far, and how long the file is.

        Raises:
            OSError: the file went away, or may not be read.
        """
        with self._lock:
            if not self._opened:
                self._opened = True
                self._take_over()
            ends = time.monotonic() + seconds
            with self.path.open("rb") as file:
                size = file.seek(0, 2)
                if size < self.offset or self._printed(file, self.offset) != self._before:
                    self._begin()
                while self.offset < size and time.monotonic() < ends:
                    if not self._piece(file):
                        break
                self._before = self._printed(file, self.offset)
            if self.offset - self._saved >= WORTH:
                self._keep()
            return self.offset, size

    def shown(self, seconds: float = 0.03) -> dict[str, Any]:
        """What a page draws, after reading on for so many seconds; of what was not read yet, a line here and there.

        Raises:
            OSError: as `look` does.
        """
        offset, size = self.look(seconds)
        with self._lock, self.path.open("rb") as file:
            newest = self._newest(file)
            thinned = self.thinned
            if size - offset > PIECE:
                thinned = Thinned.read(thinned.kept())
                block = read_block(self._sampled(file, offset, size))
                thinned.take(block.steps, block.columns)
            return {
                "series": thinned.to_plain(),
                "width": thinned.width,
                "validations": list(self.validations),
                "notices": list(self.notices)[-100:],
                "newest": newest,
                "lines": self.lines,
                "bad": self.bad,
                "read": 1.0 if size - offset <= PIECE else offset / size,
                "size": size,
            }

    def last(self) -> dict[str, Any] | None:
        """The last whole line, whatever was read before."""
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            for line in reversed(self._newest(file)):
                if (row := read_line(line.encode("utf-8", "replace"))) is not None:
                    return row
        return None

    def _piece(self, file: BinaryIO) -> bool:
        """Read whole lines from where it stands; whether there were any. A line without end is skipped."""
        file.seek(self.offset)
        data = file.read(PIECE)
        end = data.rfind(b"\n") + 1
        if self._skips:
            first = data.find(b"\n") + 1
            self.offset += first or len(data)
            self._skips = not first
            return bool(data)
        if not end:
            if len(data) <= LONGEST:
                return False
            self.offset, self._skips, self.bad = self.offset + len(data), True, self.bad + 1
            return True
        data = data[:end]
        self._take(read_block(data))
        self.offset, self.lines = self.offset + end, self.lines + data.count(b"\n")
        return True

    def _take(self, block: Block) -> None:
        self.thinned.take(block.steps, block.columns)
        self.bad += block.bad
        for row in block.told:
            if "validation" in row:
                metrics = {
                    str(name)[:100]: value
                    for name, value in row["validation"].items()
                    if isinstance(value, int | float)
                }
                self.validations.append({"step": row["step"], "metrics": dict(list(metrics.items())[:40])})
            else:
                plain = {str(key)[:100]: _short(value) for key, value in list(row.items())[:20]}
                self.notices.append(plain)
        if len(self.validations) > TOLD:
            self.validations = self.validations[::2]

    def _newest(self, file: BinaryIO) -> list[str]:
        size = file.seek(0, 2)
        file.seek(max(0, size - _TAIL))
        lines = file.read(_TAIL).split(b"\n")
        whole = lines[(1 if size > _TAIL else 0) : -1]
        return [line[:2000].decode("utf-8", "replace") for line in whole[-NEWEST:]]

    def _sampled(self, file: BinaryIO, offset: int, size: int) -> bytes:
        found = []
        for place in range(SAMPLED):
            file.seek(offset + (size - offset) * place // SAMPLED)
            pieces = file.read(4096).split(b"\n", 2)
            if len(pieces) == 3 and pieces[1].startswith(b"{"):
                found.append(pieces[1])
        return b"\n".join(found) + b"\n"

    def _begin(self) -> None:
        """Forget what was read: the log was written anew."""
        self.offset = self.lines = self.bad = self._saved = 0
        self.thinned, self.validations, self._skips = Thinned(), [], False
        self.notices.clear()

    @staticmethod
    def _printed(file: BinaryIO, offset: int) -> str:
        """A digest of what stands before a place: two logs that agree there are one."""
        file.seek(max(0, offset - _PRINT))
        return hashlib.sha256(file.read(min(offset, _PRINT))).hexdigest()

    def _keep(self) -> None:
        """Write down what was read, so that the next studio need not read it; no loss where that cannot be."""
        self._saved = self.offset
        told = {
            "version": _VERSION,
            "offset": self.offset,
            "lines": self.lines,
            "bad": self.bad,
            "before": self._before,
            "thinned": self.thinned.kept(),
            "validations": self.validations,
            "notices": list(self.notices),
        }
        with contextlib.suppress(Exception):
            write_text(self.kept, json.dumps(told))

    def _take_over(self) -> None:
        """Go on where an earlier studio has stopped; anything that is not quite that is not there."""
        try:
            told = json.loads(self.kept.read_text(encoding="utf-8"))
            if told["version"] != _VERSION:
                return
            thinned = Thinned.read(told["thinned"])
            counts = [int(told[key]) for key in ("offset", "lines", "bad")]
            validations, notices, before = list(told["validations"]), list(told["notices"]), str(told["before"])
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
            return
        self.offset, self.lines, self.bad = counts
        self._saved, self._before = self.offset, before
        self.thinned, self.validations = thinned, validations
        self.notices.extend(notices)


def _short(value: Any) -> Any:
    return value if isinstance(value, int | float | bool) or value is None else str(value)[:500]
