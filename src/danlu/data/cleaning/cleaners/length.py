"""Texts that are too short or too long."""

from collections.abc import Sequence

from pydantic import Field

from danlu.data.cleaning.cleaner import Filter


class Length(Filter):
    """Drops texts with too few or too many characters."""

    minimum: int = Field(default=1, ge=0, description="characters, white space at the ends aside")
    maximum: int | None = Field(default=None, ge=1, description="characters; None: no limit")

    def reasons(self, texts: Sequence[str]) -> list[str | None]:
        """`too short`, `too long` or None; see `Filter`."""
        most = float("inf") if self.maximum is None else self.maximum
        counts = [len(text.strip()) for text in texts]
        return ["too short" if count < self.minimum else "too long" if count > most else None for count in counts]
