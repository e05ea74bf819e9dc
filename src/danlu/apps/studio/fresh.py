"""What was read of files, kept until they change."""

import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from danlu.refusal import Refusal

Found = TypeVar("Found")

MOST = 5000
"""Files of which something is kept; those that were first asked for go first."""


@dataclass
class Fresh(Generic[Found]):
    """Calls `read` for a file once, and again when its time, its size or its place on the disk has changed.

    What it refuses is kept as well.
    """

    read: Callable[[Path], Found]
    _kept: dict[Path, tuple[Any, Found | Refusal]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self, path: Path) -> Found | Refusal | None:
        """What `read` gives, or has refused with; None where there is no such file, or something else by its name."""
        try:
            told = path.stat()
        except (OSError, ValueError):
            return None
        if not stat.S_ISREG(told.st_mode):  # a pipe would be waited for
            return None
        stamp = (told.st_mtime_ns, told.st_size, told.st_ino)
        kept = self._kept.get(path)
        if kept is not None and kept[0] == stamp:
            return kept[1]
        found: Found | Refusal
        try:
            found = self.read(path)
        except Refusal as refusal:
            found = refusal
        with self._lock:
            self._kept.pop(path, None)
            self._kept[path] = (stamp, found)
            while len(self._kept) > MOST:
                del self._kept[next(iter(self._kept))]
        return found
