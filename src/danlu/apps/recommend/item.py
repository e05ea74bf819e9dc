"""What may be recommended."""

import math
from dataclasses import dataclass

from danlu.refusal import Refusal

LONGEST_NAME = 200
"""Characters of the name of an item, a user or an action."""
LONGEST_TITLE = 500
LONGEST_TEXT = 200_000
LATEST = 9e10
"""Seconds since 1970, in the year 4821: what is later is no time."""


@dataclass(frozen=True)
class Item:
    """An item: its name, what it is about, and since when it is there.

    - `time`: seconds since 1970; None: it was there all along. Nobody sees an item before its time.
    """

    id: str
    title: str = ""
    text: str = ""
    time: float | None = None

    def __post_init__(self) -> None:
        """Raises `Refusal` for what is too long, empty or cannot be kept."""
        refuse_name(self.id, "an item's 'item'")
        for name, value, most in (("title", self.title, LONGEST_TITLE), ("text", self.text, LONGEST_TEXT)):
            if len(value) > most or "\x00" in value:
                raise Refusal(
                    f"item '{self.id}': its {name} has {len(value):,} characters or a NUL; at most {most:,} "
                    "are taken, and no NUL"
                )
        if not (self.title.strip() or self.text.strip()):
            raise Refusal(f"item '{self.id}': has neither title nor text; give one of them")
        if self.time is not None:
            refuse_time(self.time, f"item '{self.id}'")

    @property
    def words(self) -> str:
        """Title and text, as they are read together."""
        return f"{self.title}\n{self.text}" if self.title and self.text else self.title or self.text

    @property
    def shown(self) -> str:
        """How it is called before people: its title, or the beginning of its text."""
        if self.title.strip():
            return " ".join(self.title.split())
        first = " ".join(self.text.split())
        return first if len(first) <= 40 else f"{first[:39]}…"


def refuse_name(name: str, what: str) -> None:
    """Raises `Refusal` for a name that is empty, too long, or cannot be kept."""
    if not name.strip() or len(name) > LONGEST_NAME or "\x00" in name:
        raise Refusal(f"{what} is '{name[:40]}'; expected 1 to {LONGEST_NAME} characters, none of them NUL")


def refuse_time(time: float, what: str) -> None:
    """Raises `Refusal` for a time that is none."""
    if not (math.isfinite(time) and 0 <= time <= LATEST):
        raise Refusal(f"{what}: its time {time:g} is none; give seconds since 1970, or a date such as 2026-11-27T08:00")
