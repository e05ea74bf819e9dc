"""Characters that nobody sees: controls, zero-width characters, byte order marks, replacement characters."""

import re
from typing import ClassVar

from danlu.data.characters.alignment import Edit
from danlu.data.cleaning.cleaner import Editor

_UNSEEN = (
    "\x00-\x08\x0e-\x1a\x7f-\x84\x86-\x9f"  # controls (Unicode category Cc) that are no white space
    "\xad\u034f\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"  # soft hyphen, zero width, direction
    "\ufeff\ufff9-\ufffd\ufdd0-\ufdef\ufffe\uffff\ud800-\udfff"  # byte order mark, replacement, no characters
)
_JOINERS = "\u200c\u200d"  # they shape Arabic and Indic letters and join emoji, and are left there
_JOINED = "\u0600-\u0dff\u2190-\u2bff\ufe0f\U0001f000-\U0001faff"

_QUICK = re.compile(f"[\x1b{_UNSEEN}{_JOINERS}]")
_COLOUR = r"\x1b(?:\[[0-9;?]*[A-Za-z])?"  # of a terminal
_PATTERN = re.compile(f"{_COLOUR}|[{_UNSEEN}]+|(?<![{_JOINED}])[{_JOINERS}]")


class Control(Editor):
    """Removes characters that nobody sees, halves of surrogate pairs and replacement characters among them."""

    sample: ClassVar[tuple[str, ...]] = ("\ufeff好\u200b看\x07", "a\ufffdb\x1b[31mred\x1b[0m")

    def suspects(self, text: str) -> bool:
        """Whether there is such a character; see `Editor`."""
        return _QUICK.search(text) is not None

    def edits(self, text: str) -> list[Edit]:
        """What is removed; see `Editor`."""
        return [(*match.span(), "") for match in _PATTERN.finditer(text)]
