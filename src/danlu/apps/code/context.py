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
MOST = 0.5
"""Of the lines of a part, above which it is one of the file itself."""

_NAME = re.compile(r"[^\W\d]\w{2,}")
_WHOLE = re.compile(r"/|[a-z]:/|[a-z]+://", re.IGNORECASE)  # begins a path that is not from the root of a repository


def header(path: str) -> str:
    """The line above a file; nothing where its path is not known."""
    return f"# file: {path}\n" if path else ""


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

    def like(self, path: str, before: str, behind: str = "") -> Part | None:
        """The part of another file that is most like the last lines of `before`; None where none is.

        A part is of the same file where most of its lines stand in that, as editors seldom tell the path.
        """
        names = names_in("\n".join(before.split("\n")[-NEAR:]))
        if not names:
            return None
        shared: dict[int, int] = {}
        many = max(8, len(self.all) // 4)
        for name in names:
            places = self._with.get(name, ())
            for number in places if len(places) <= many else ():  # of what stands everywhere nothing follows
                shared[number] = shared.get(number, 0) + 1
        here = _lines_with_names(before + behind)
        best, found = LEAST, None
        for number, count in shared.items():
            part = self.all[number]
            score = count / (len(names) + len(part.names) - count)
            if score > best and not same_file(part.path, path) and not _stands_in(here, part):
                best, found = score, part
        return found


def names_in(text: str) -> frozenset[str]:
    """The names in some code, of three letters at least."""
    return frozenset(_NAME.findall(text))


def same_file(one: str, other: str) -> bool:
    """Whether two paths with slashes are of one file; one may be from the root of the disk, as editors have it."""
    short, long = sorted((one, other), key=len)
    return short != "" and (one == other or (_WHOLE.match(long) is not None and long.endswith(f"/{short}")))


def with_part(part: Part | None, path: str, before: str) -> str:
    """What is read: a part of another file where there is one, and the file up to the place, under their paths."""
    other = "" if part is None else f"{header(part.path)}{part.text.rstrip()}\n\n"
    return f"{other}{header(path)}{before}"


def _lines_with_names(text: str) -> set[str]:
    return {line.strip() for line in text.split("\n") if _NAME.search(line)}


def _stands_in(here: set[str], part: Part) -> bool:
    """Whether most lines of a part are among others; a few may have been changed since it was read."""
    lines = _lines_with_names(part.text)
    return len(lines & here) > MOST * len(lines)


def _parts(file: Source) -> list[Part]:
    lines = file.text.split("\n")
    found = []
    for start in range(0, len(lines), LINES):
        text = "\n".join(lines[start : start + LINES])
        if names := names_in(text):
            found.append(Part(file.path, text, names))
    return found
