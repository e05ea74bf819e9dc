"""A folder that lies elsewhere, here or under a URL, and files of it that are brought here."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from danlu.machine.files import bytes_in_place, sha256
from danlu.machine.remote import RemoteFile, is_remote, shown
from danlu.refusal import Refusal

PIECE = 2**20  # bytes that are read at a time


@dataclass(frozen=True)
class Facts:
    """What a file is known to be: its bytes and its SHA-256."""

    size: int
    sha256: str

    def hold_of(self, path: Path) -> bool:
        """Whether this file lies here, whole and unchanged."""
        return path.is_file() and path.stat().st_size == self.size and sha256(path) == self.sha256


class Changed(Refusal):
    """A file that is another one than was told; fetching it again brings the same."""


@dataclass(frozen=True)
class Origin:
    """A folder, as a path or a URL; what follows a question mark, such as a signature, stays at the end."""

    path: str

    def at(self, name: str) -> str:
        """The path or URL of a file."""
        if not is_remote(self.path):
            return str(Path(self.path) / name)
        before, mark, query = self.path.partition("?")
        return f"{before.rstrip('/')}/{name}{mark}{query}"

    def shown(self, name: str) -> str:
        """The same as messages may show it."""
        return shown(self.at(name))

    @contextmanager
    def opened(self, name: str) -> Iterator[IO[bytes]]:
        """The bytes of a file.

        Raises:
            Refusal: it is not there, or cannot be reached.
        """
        where = self.at(name)
        if is_remote(where):
            with RemoteFile(where).open() as stream:
                yield stream
            return
        if not Path(where).is_file():
            raise Refusal(f"{where}: there is no such file; give the folder of a finished stage of kind 'shards'")
        with Path(where).open("rb") as stream:
            yield stream

    def bring(self, name: str, facts: Facts, target: Path, come: Callable[[int], None]) -> None:
        """Fetch a file, which is in its place only once it is whole and has the hash that it should have.

        `come` hears how many bytes came, again and again, and may raise.

        Raises:
            Changed: it is another one.
            Refusal: it cannot be reached, or the disk is full.
        """
        rest = facts.size + 1
        with self.opened(name) as stream, bytes_in_place(target) as file:
            while rest and (piece := stream.read(min(PIECE, rest))):
                come(len(piece))
                file.write(piece)
                rest -= len(piece)
            file.flush()
            if rest != 1 or sha256(Path(file.name)) != facts.sha256:
                raise Changed(
                    f"{self.shown(name)}: is not the file of {facts.size:,} bytes that its manifest tells of (its "
                    "SHA-256 differs); copy or write the shards there again, then run the same command"
                )
