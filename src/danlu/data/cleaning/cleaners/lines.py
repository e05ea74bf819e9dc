"""Lines of a document that say nothing: repeated ones, and rows of signs (after C4: Raffel et al., 2020)."""

import re
from typing import ClassVar

from pydantic import Field

from danlu.data.characters.alignment import Edit
from danlu.data.cleaning.cleaner import Editor

_LINE = re.compile(r"[^\n]*\n?")
_WORD = re.compile(r"[^\W_]")


class Lines(Editor):
    """Removes lines that stood in the same document before, and lines without a letter or digit."""

    sample: ClassVar[tuple[str, ...]] = ("Home | About us\n正文在这里\n-----\nHome | About us\n",)

    minimum: int = Field(default=8, ge=1, description="characters a repeated line must have to be removed")

    def suspects(self, text: str) -> bool:
        """Whether there are several lines; see `Editor`."""
        return "\n" in text

    def edits(self, text: str) -> list[Edit]:
        """The lines that go; empty ones, which part paragraphs, stay; see `Editor`."""
        seen: set[str] = set()
        found = []
        for match in _LINE.finditer(text):
            line = match[0].strip()
            if line and (line in seen or not _WORD.search(line)):
                found.append((*match.span(), ""))
            if len(line) >= self.minimum:
                seen.add(line)
        return found
