"""What was dropped from data and why, with some of it to look at."""

from collections.abc import Sequence
from typing import Any

from danlu.language import translator

SAMPLES = 20
"""Dropped texts that are kept for each reason."""

PARAGRAPHS = "paragraphs that stand in many texts"
"""A reason that counts paragraphs, not rows."""

_LONGEST = 500
"""Characters of a sample."""


class Dropped:
    """Counts and samples by reason, in the order in which reasons came up."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self.samples: dict[str, list[str]] = {}

    def add(self, reason: str, count: int, samples: Sequence[str]) -> None:
        """Count what was dropped for a reason; the first samples are kept."""
        self.counts[reason] = self.counts.get(reason, 0) + count
        kept = self.samples.setdefault(reason, [])
        kept += [sample[:_LONGEST] for sample in samples[: SAMPLES - len(kept)]]

    def to_plain(self) -> dict[str, Any]:
        """Counts and samples by reason as plain data."""
        return {reason: {"count": count, "samples": self.samples[reason]} for reason, count in self.counts.items()}

    def in_words(self, language: str = "en") -> list[str]:
        """What was dropped, in English or Chinese; reasons of cleaners are told as they are."""
        _ = translator(language)
        names = {
            "in a given set as well": _("in a given set as well"),
            "in the group of a row of a given set": _("in the group of a row of a given set"),
            "too short": _("too short"),
            "hold a piece of a test text": _("hold a piece of a test text"),
            "same text with different labels": _("same text with different labels"),
            "repeat another": _("repeat another"),
            "label too rare": _("label too rare"),
        }
        rows = {reason: count for reason, count in self.counts.items() if reason != PARAGRAPHS}
        told = ", ".join(f"{names.get(reason, reason)} {count:,}" for reason, count in rows.items())
        lines = [_("dropped rows: {reasons}").format(reasons=told)] if told else []
        if PARAGRAPHS in self.counts:
            lines.append(
                _("dropped paragraphs that stand in many texts: {count:,}").format(count=self.counts[PARAGRAPHS])
            )
        return lines
