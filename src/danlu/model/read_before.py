"""What a model has read before: a text that begins as another did is not read from its beginning again.

So a conversation costs its last turn, and instructions that many begin with are read once (Kwon et al., 2023).
"""

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.model.kv import KeyValues

SHARED = 16
"""Tokens that texts must begin with alike: a pass of its own costs as much as to read so many with others."""

MOST_BYTES = 2**28
MOST_TEXTS = 64


class ReadBefore:
    """Keys and values of the texts that were read last; those that were not asked for go first. For any thread."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        """Keep so many bytes at most, of 64 texts at most."""
        self.most_bytes = most_bytes
        self._texts: list[tuple[NDArray[np.int64], KeyValues]] = []
        self._lock = threading.Lock()

    def longest(self, ids: Sequence[int]) -> tuple[KeyValues | None, int]:
        """What has read the most tokens that a text begins with, and how many; its last token is left to be read."""
        wanted = np.array(ids[:-1], np.int64)
        with self._lock:
            alike = [_alike(known, wanted) for known, _ in self._texts]
            best = max(range(len(alike)), key=lambda place: alike[place], default=-1)
            if best < 0 or alike[best] < SHARED:
                return None, 0
            found = self._texts.pop(best)
            self._texts.append(found)
            return found[1], alike[best]

    def keep(self, ids: Sequence[int], read: KeyValues) -> None:
        """Keep the only row of `read`, which has read these tokens; texts that are a part of it go."""
        new = np.array(ids, np.int64)
        if len(new) < SHARED or read.bytes > self.most_bytes:
            return
        with self._lock:
            if any(_alike(known, new) == len(new) for known, _ in self._texts):
                return
            self._texts = [each for each in self._texts if _alike(each[0], new) < len(each[0])]
            self._texts.append((new, read))
            while len(self._texts) > MOST_TEXTS or sum(each.bytes for _, each in self._texts) > self.most_bytes:
                del self._texts[0]

    def __len__(self) -> int:
        return len(self._texts)


def _alike(one: NDArray[np.int64], other: NDArray[np.int64]) -> int:
    """With how many equal tokens both begin."""
    length = min(len(one), len(other))
    unlike = np.flatnonzero(one[:length] != other[:length])
    return int(unlike[0]) if len(unlike) else length
