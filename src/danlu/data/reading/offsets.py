"""Where a mention stands in a text, whatever its tool counts in: characters, UTF-16 (JavaScript, Java) or UTF-8 (Go).

The three differ behind the first emoji, UTF-8 behind the first character that is not ASCII.
"""

from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate
from typing import Literal

Unit = Literal["characters", "utf-16", "utf-8"]

UNITS: tuple[Unit, ...] = ("characters", "utf-16", "utf-8")

_BEYOND = "\uffff"
"""Characters behind this one are two units of UTF-16."""


def character_at(text: str, offset: int, unit: Unit) -> int | None:
    """The character at which an offset points; None inside of one, or outside of the text."""
    if unit == "characters" or text.isascii() or (unit == "utf-16" and max(text) <= _BEYOND):
        return offset if 0 <= offset <= len(text) else None
    return _places(text, unit).get(offset)


def unit_of(text: str, stated: Sequence[tuple[int, str]], likely: Unit = "characters") -> Unit:
    """What offsets are counted in, each with the mention that should begin there.

    It is the unit in which most mentions stand where they should, and of equals `likely`, then characters.
    """

    def fits(unit: Unit) -> tuple[int, bool]:
        starts = [(character_at(text, offset, unit), mention) for offset, mention in stated]
        found = sum(start is not None and text.startswith(mention, start) for start, mention in starts)
        return found, unit == likely

    if text.isascii() or not stated or fits(likely)[0] == len(stated):
        return likely
    return max(UNITS, key=fits)


def nearest_mention(text: str, mention: str, offset: int) -> int | None:
    """The place of a mention nearest to an offset that is wrong; None if it is nowhere in the text.

    Where characters outside of the BMP may have made the offset too large, one at or before it goes first.
    """
    if not mention:
        return None
    offset = max(0, offset)
    before = text.rfind(mention, 0, offset + len(mention))
    after = text.find(mention, offset)
    if before < 0 or after < 0:
        found = max(before, after)
        return found if found >= 0 else None
    too_large = max(text) > _BEYOND
    return before if too_large or offset - before <= after - offset else after


@lru_cache(2)
def _places(text: str, unit: Unit) -> dict[int, int]:
    """The character at each offset."""
    if unit == "utf-16":
        sizes = [1 + (character > _BEYOND) for character in text]
    else:
        sizes = [1 + (each > "\x7f") + (each > "\u07ff") + (each > _BEYOND) for each in text]
    return {offset: number for number, offset in enumerate(accumulate(sizes, initial=0))}
