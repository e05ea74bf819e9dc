"""White space: one kind of space, one kind of line end, none at the ends."""

import re
from typing import ClassVar, Literal

from pydantic import Field

from danlu.data.characters.alignment import Edit
from danlu.data.cleaning.cleaner import Editor

_UNUSUAL = re.compile("[\t\r\v\f\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_RUN = re.compile(r"\s+")
_LINE_END = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
_DENSE = "\u2e80-\u9fff\uac00-\ud7ff\uf900-\ufaff\ufe30-\uffef"
_BETWEEN_CHINESE = re.compile(f"(?<=[{_DENSE}]) +(?=[{_DENSE}])")


class Whitespace(Editor):
    """Makes every run of white space one space, or one or two line ends if it has any, and trims the ends."""

    sample: ClassVar[tuple[str, ...]] = ("\u3000\u3000两  个\t字\r\n", "a \n\n\n b\xa0c")

    lines: Literal["keep", "join"] = Field(default="keep", description="join: a line end becomes a space")
    between_chinese: Literal["keep", "remove"] = Field(
        default="keep", description="remove: no space is left between two Chinese, Japanese or Korean characters"
    )

    def suspects(self, text: str) -> bool:
        """Whether there is anything but single spaces and line ends; see `Editor`."""
        if not text:
            return False
        if text[0].isspace() or text[-1].isspace() or "  " in text or _UNUSUAL.search(text):
            return True
        if "\n" in text and (self.lines == "join" or " \n" in text or "\n " in text or "\n\n\n" in text):
            return True
        return self.between_chinese == "remove" and " " in text and _BETWEEN_CHINESE.search(text) is not None

    def edits(self, text: str) -> list[Edit]:
        """Runs that are not yet as they should be; see `Editor`."""
        found = []
        for match in _RUN.finditer(text):
            start, end = match.span()
            wanted = "" if start == 0 or end == len(text) else self._wanted(match[0], text[start - 1] + text[end])
            if wanted != match[0]:
                found.append((start, end, wanted))
        return found

    def _wanted(self, run: str, around: str) -> str:
        ends = len(_LINE_END.findall(run)) if self.lines == "keep" else 0
        if ends:
            return "\n" * min(ends, 2)
        dense = self.between_chinese == "remove" and _BETWEEN_CHINESE.search(f"{around[0]} {around[1]}")
        return "" if dense else " "
