"""What a model reads of other files before it goes on with one: the part of them that is most like what is written.

Parts are compared by the names in them (Jaccard, 1901), as editors' assistants do with the files that are open. They
stand before the file as another one does, under a line with its path.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from danlu.apps.code.repository import Source

LINES = 12
"""Of a part."""
NEAR = 30
"""Lines before the place in question whose names are compared."""
LEAST = 0.08
"""Of names in common, below which nothing is put before a file."""

_NAME = re.compile(r"[^\W\d]\w{2,}")


def header(path: str) -> str:
    """The line above a file."""
    return f"# file: {path}\n"


@dataclass(frozen=True)
class Part:
    """Some lines of a file, and the names in them."""

    path: str
    text: str
    names: frozenset[str]


class Parts:
    """The parts of some files, to be found again."""

    def __init__(self, files: Sequence[Source]) -> None:
        """Cut files into parts of `LINES` lines."""
        self.all = [part for file in files for part in _parts(file)]
        self._with: dict[str, list[int]] = {}
        for number, part in enumerate(self.all):
            for name in part.names:
                self._with.setdefault(name, []).append(number)

    def like(self, path: str, before: str) -> Part | None:
        """The part of another file that is most like the last lines of `before`; None where none is."""
        names = names_in("\n".join(before.split("\n")[-NEAR:]))
        if not names:
            return None
        shared: dict[int, int] = {}
        many = max(8, len(self.all) // 4)
        for name in names:
            places = self._with.get(name, ())
            for number in places if len(places) <= many else ():  # of what stands everywhere nothing follows
                shared[number] = shared.get(number, 0) + 1
        best, found = LEAST, None
        for number, count in shared.items():
            part = self.all[number]
            score = count / (len(names) + len(part.names) - count)
            if part.path != path and score > best:
                best, found = score, part
        return found


def names_in(text: str) -> frozenset[str]:
    """The names in some code, of three letters at least."""
    return frozenset(_NAME.findall(text))


def with_part(part: Part | None, path: str, before: str) -> str:
    """What is read: a part of another file where there is one, and the file up to the place, under their paths."""
    other = "" if part is None else f"{header(part.path)}{part.text.rstrip()}\n\n"
    return f"{other}{header(path) if path else ''}{before}"


def _parts(file: Source) -> list[Part]:
    lines = file.text.split("\n")
    found = []
    for start in range(0, len(lines), LINES):
        text = "\n".join(lines[start : start + LINES])
        if names := names_in(text):
            found.append(Part(file.path, text, names))
    return found
