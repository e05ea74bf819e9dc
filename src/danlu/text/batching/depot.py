"""The files of shards that lie elsewhere: they come here when rows are read from them, and go when others are.

Shards that follow each other make groups. Rows are read group by group (`text/batching/reader.py`); while one is, the
next is fetched, and the one before stays for processes that are a few steps behind. So `held` bytes are enough for
a corpus of any size.
"""

import json
import threading
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from filelock import FileLock, Timeout

from danlu.machine.files import write_text
from danlu.refusal import Refusal
from danlu.text.batching.origin import Changed, Facts, Origin
from danlu.text.batching.shards import Manifest, Shard

Opened = TypeVar("Opened")

NAME = "streamed.json"
GROUPS = 3
"""What is held: the group that is read, the next, and the one before."""
PAUSES = (1.0, 5.0, 30.0, 120.0)
"""Seconds between two tries to fetch a file that does not come."""


def write(folder: Path, path: str, held: int) -> None:
    """Let the shards in a folder be read from `path`, of which `held` bytes are kept here."""
    write_text(folder / NAME, json.dumps({"path": path, "held": held}, ensure_ascii=False) + "\n")


def is_streamed(folder: Path) -> bool:
    """Whether the shards of a folder come when they are read."""
    return (folder / NAME).is_file()


def depot_of(folder: Path, manifest: Manifest) -> "Depot | None":
    """The depot of a folder; None where all of its files lie here.

    Raises:
        Refusal: what says where they are cannot be read.
    """
    if not is_streamed(folder):
        return None
    try:
        plain = json.loads((folder / NAME).read_text("utf-8", errors="replace"))
        path, held = str(plain["path"]), int(plain["held"])
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{folder / NAME}: cannot be read ({error!r}); run the stage of kind 'fetch' again") from None
    return Depot(folder, manifest, Origin(path), held)


def grouped(manifest: Manifest, held: int) -> list[range]:
    """The shards of each group: as many as follow each other and are no more than a third of `held` bytes.

    Raises:
        Refusal: one shard is more than that.
    """
    groups: list[range] = []
    begun, size = 0, 0
    for number, shard in enumerate(manifest.shards):
        own = _facts(shard).size
        if own * GROUPS > held:
            raise Refusal(
                f"held: {held / 2**30:.3g} GiB are too few, for {GROUPS} files are held at once and '{shard.file}' has "
                f"{own / 2**30:.3g} GiB; raise it, or write the shards with fewer 'file_tokens'"
            )
        if size + own > held // GROUPS:
            groups.append(range(begun, number))
            begun, size = number, 0
        size += own
    return [*groups, range(begun, len(manifest.shards))]


class Depot:
    """Fetches the files of shards when they are read; threads and processes that share the folder fetch each once.

    - `stopped`: once it is set, what is under way is given up.
    - `waits`: hears why a file has not come, and in how many seconds it is tried again.
    """

    def __init__(self, folder: Path, manifest: Manifest, origin: Origin, held: int) -> None:
        """Read shards from `origin`, of which no more than `held` bytes lie in `folder`.

        Raises:
            Refusal: three files are more.
        """
        self.folder, self.shards, self.origin, self.held = folder, manifest.shards, origin, held
        self.groups = grouped(manifest, held)
        self.stopped = threading.Event()
        self.waits: Callable[[str, float], None] = lambda _why, _seconds: None
        self._came: list[int] = []
        self._locks: defaultdict[int, threading.Lock] = defaultdict(threading.Lock)
        self._near: frozenset[int] = frozenset()

    def ends(self, counts: Iterable[int]) -> list[int]:
        """Where each group of rows ends, if the shards have so many rows each."""
        summed = np.cumsum([0, *counts])
        return [int(summed[group.stop]) for group in self.groups]

    def path(self, number: int) -> Path:
        """Where the data of a shard lies, once it does.

        Raises:
            Refusal: it does not come, or is another file than the manifest tells of.
            CancelledError: nobody waits any more.
        """
        shard = self.shards[number]
        target = self.folder / shard.file
        with self._locks[number]:
            if number not in self._came or not target.is_file():
                self._fetch(shard, target)
                self._came = [*(each for each in self._came if each != number), number]
                self._drop_old()
        return target

    def mapped(self, number: int, opened: Callable[[Path], Opened]) -> Opened:
        """What `opened` gives for the data of a shard; see `path`.

        A process that is ahead may drop the file between its coming and its opening: then it comes again.
        """
        while True:
            try:
                return opened(self.path(number))
            except FileNotFoundError:
                self._came = [each for each in self._came if each != number]

    def shards_in(self, groups: Sequence[int]) -> frozenset[int]:
        """The shards of some groups."""
        return frozenset(number for group in groups for number in self.groups[group])

    def near(self, groups: Sequence[int]) -> None:
        """Rows of these groups are read from now on, the last one's later: fetch it meanwhile, and drop all others."""
        self._near = self.shards_in(groups)
        for number in range(len(self.shards)):
            if number not in self._near:
                self._drop(number)
        threading.Thread(target=self._ahead, args=(self.groups[groups[-1]],), name="danlu-depot", daemon=True).start()

    def _drop(self, number: int) -> None:
        self._came = [each for each in self._came if each != number]
        with suppress(OSError):  # on Windows, where another process reads it
            (self.folder / self.shards[number].file).unlink(missing_ok=True)

    def _drop_old(self) -> None:
        """Keep to what may be held, where rows are read that are not near."""
        while sum(_facts(self.shards[each]).size for each in self._came) > self.held and len(self._came) > 1:
            far = [each for each in self._came[:-1] if each not in self._near]
            self._drop((far or self._came)[0])

    def _ahead(self, numbers: Iterable[int]) -> None:
        for number in numbers:
            if number not in self._near:
                return
            with suppress(Refusal, CancelledError):  # who reads it tries again, and tells why it does not come
                self.path(number)

    def _fetch(self, shard: Shard, target: Path) -> None:
        facts = _facts(shard)
        with self._alone(shard.file):
            if facts.hold_of(target):
                return
            for left_over in self.folder.glob(f".{shard.file}.*.partial"):  # of a process that was killed
                left_over.unlink(missing_ok=True)
            for pause in (*PAUSES, None):
                try:
                    self.origin.bring(f"shards/{shard.file}", facts, target, lambda _: self._give_up())
                except Refusal as refusal:
                    if pause is None or isinstance(refusal, Changed):
                        raise
                    self.waits(str(refusal), pause)
                    self.stopped.wait(pause)
                    self._give_up()
                else:
                    return

    def _give_up(self) -> None:
        if self.stopped.is_set():
            raise CancelledError

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """While no other process fetches the file; the system lets the lock go with the process that has it."""
        lock = FileLock(self.folder / f".{name}.lock", is_singleton=False)
        while True:
            with suppress(Timeout):
                lock.acquire(timeout=0.2)
                break
            self._give_up()
        try:
            yield
        finally:
            lock.release()


def _facts(shard: Shard) -> Facts:
    told = shard.files[shard.file]
    return Facts(int(told["bytes"]), str(told["sha256"]))
