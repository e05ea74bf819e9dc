"""Which files a page may name: those that lie in a folder that is served, and nothing beyond it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from danlu.refusal import Refusal

LONGEST = 4_096  # characters of an address
LONGEST_NAME = 255  # bytes of a name in it, as file systems take them


@dataclass(frozen=True)
class Served:
    """Folders by the names that addresses begin with, as in `working:data/reviews.csv`."""

    folders: Mapping[str, Path]

    def inside(self, address: str) -> Path:
        """The place of an address, links followed; it need not be there.

        Raises:
            Refusal: it names no folder that is served, or leads out of it: by `..`, from the top, through a link.
        """
        name, colon, inner = address.partition(":")
        if not colon or name not in self.folders or len(address) > LONGEST:
            raise Refusal(f"'{address:.200}' lies in no folder that is served; choose one of those that are shown")
        path = PurePosixPath(inner)
        long = any(len(part.encode("utf-8", "replace")) > LONGEST_NAME for part in path.parts)
        strange = long or "\0" in inner or (os.name == "nt" and ("\\" in inner or ":" in inner))
        if strange or path.is_absolute() or ".." in path.parts or not _is_text(inner):
            raise Refusal(
                f"'{address:.200}' leads out of the folder that is served; choose one of those that are shown"
            )
        root = self.folders[name].resolve()
        try:
            real = (root / path).resolve()
        except (OSError, RuntimeError):  # links in a circle are a RuntimeError
            raise Refusal(f"'{address:.200}' cannot be found; choose one of those that are shown") from None
        if not real.is_relative_to(root):
            raise Refusal(f"'{address:.200}' is a link that leads out of the folder; put the file itself in its place")
        return real

    def address(self, path: Path) -> str | None:
        """The address of a place, in the innermost folder that it lies in; None for one that is not served."""
        try:
            real = path.resolve()
        except (OSError, RuntimeError):
            return None
        found = [
            f"{name}:{real.relative_to(folder.resolve()).as_posix()}"
            for name, folder in self.folders.items()
            if real.is_relative_to(folder.resolve())
        ]
        return min(found, key=len, default=None) if _is_text(str(real)) else None


def _is_text(name: str) -> bool:
    """Whether a name can be sent to a page; names of files may be any bytes."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
