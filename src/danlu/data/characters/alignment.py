"""Where the characters of a text have gone when it was rewritten."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

Edit = tuple[int, int, str]
"""Characters from start to before end of a text became these; edits of a text are in order and apart."""

_DIFF_LIMIT = 5000
"""Characters: a longer stretch that differs is one edit, for difflib takes quadratic time."""


@dataclass(frozen=True)
class Alignment:
    """One rewriting of a text: what stood at `starts` to `ends` is at `new_starts` to `new_ends`; the rest shifts."""

    starts: list[int]
    ends: list[int]
    new_starts: list[int]
    new_ends: list[int]

    def forward(self, start: int, end: int) -> tuple[int, int] | None:
        """Where a span of the old text is in the new one; None if nothing of it is left.

        Characters that were not replaced stay covered, and no others are; of a stretch that was replaced, the
        replacement is covered whole if any of it was.
        """
        return _moved(start, end, self.starts, self.ends, self.new_starts, self.new_ends)

    def back(self, start: int, end: int) -> tuple[int, int] | None:
        """Where a span of the new text was in the old one; None if it covers nothing but what was inserted."""
        return _moved(start, end, self.new_starts, self.new_ends, self.starts, self.ends)

    def place(self, at: int) -> int:
        """Where a place that no stretch was replaced around is in the new text."""
        return at + _shift(bisect_right(self.ends, at), self.ends, self.new_ends)


def aligned(edits: Iterable[Edit]) -> Alignment:
    """The alignment that edits make."""
    starts, ends, new_starts, new_ends = [], [], [], []
    shift = 0
    for start, end, replacement in edits:
        starts.append(start)
        ends.append(end)
        new_starts.append(start + shift)
        shift += len(replacement) - (end - start)
        new_ends.append(end + shift)
    return Alignment(starts, ends, new_starts, new_ends)


def applied(text: str, edits: Sequence[Edit]) -> str:
    """The text after the edits."""
    pieces = []
    last = 0
    for start, end, replacement in edits:
        pieces += [text[last:start], replacement]
        last = end
    pieces.append(text[last:])
    return "".join(pieces)


def differences(old: str, new: str) -> list[Edit]:
    """Edits that turn one text into the other, where it is not known how that came to be.

    Texts of one length are taken to correspond character by character; others are compared by the longest
    common stretches (Ratcliff and Metzener, 1988).
    """
    if len(old) == len(new):
        pairs = zip(old, new, strict=True)
        return [(place, place + 1, after) for place, (before, after) in enumerate(pairs) if before != after]
    first = _common(old, new)
    last = _common(old[first:][::-1], new[first:][::-1])
    inner, inner_new = old[first : len(old) - last], new[first : len(new) - last]
    if max(len(inner), len(inner_new)) > _DIFF_LIMIT:
        return [(first, first + len(inner), inner_new)]
    return [
        (first + start, first + end, inner_new[new_start:new_end])
        for what, start, end, new_start, new_end in SequenceMatcher(
            None, inner, inner_new, autojunk=False
        ).get_opcodes()
        if what != "equal"
    ]


def forward(alignments: Sequence[Alignment], start: int, end: int) -> tuple[int, int] | None:
    """Where a span is after several rewritings; None if nothing of it is left."""
    span: tuple[int, int] | None = (start, end)
    for alignment in alignments:
        span = alignment.forward(*span) if span else None
    return span


def back(alignments: Sequence[Alignment], start: int, end: int) -> tuple[int, int] | None:
    """Where a span was before several rewritings; None if it covers nothing but what was inserted."""
    span: tuple[int, int] | None = (start, end)
    for alignment in reversed(alignments):
        span = alignment.back(*span) if span else None
    return span


def _moved(
    start: int, end: int, starts: list[int], ends: list[int], new_starts: list[int], new_ends: list[int]
) -> tuple[int, int] | None:
    first = bisect_right(ends, start)  # the first edit that ends after the span's first character begins
    if first < len(starts) and starts[first] <= start:
        new_start = new_starts[first]
    else:
        new_start = start + _shift(first, ends, new_ends)
    last = bisect_left(starts, end) - 1  # the last edit that begins before the span ends
    within = last >= 0 and ends[last] >= end
    new_end = new_ends[last] if within else end + _shift(last + 1, ends, new_ends)
    return (new_start, new_end) if new_start < new_end else None


def _shift(edits: int, ends: list[int], new_ends: list[int]) -> int:
    """By how many characters the first edits have moved what stands behind them."""
    return new_ends[edits - 1] - ends[edits - 1] if edits else 0


def _common(old: str, new: str) -> int:
    """How many characters at the beginning are the same."""
    low, high = 0, min(len(old), len(new))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if old[low:middle] == new[low:middle] else (low, middle - 1)
    return low
