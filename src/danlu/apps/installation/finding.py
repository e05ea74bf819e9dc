"""What was found of the machine and the installation: one line a finding, and the command that mends it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Level = Literal["right", "note", "wrong"]
"""`note`: danlu works, but slower or with less than it could; `wrong`: what it needs is not as it should be."""

Words = Callable[[str], str]


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: a name that stays the same, how it stands, in words, and what mends it."""

    name: str
    level: Level
    said: str
    remedy: str | None = None


def gigabytes(count: float) -> str:
    """Bytes as people say them, in units of 10^9."""
    return f"{count / 1e9:,.1f} GB"
