"""Text that was read in the wrong encoding, read anew where the result is likelier text than what stands there.

What it may have been is tried (after ftfy: Speer, 2019), and judged by a model of pairs of characters in some ninety
languages, as a court would: the evidence has to be strong.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from danlu.data.characters.alignment import Edit, applied
from danlu.data.characters.side_by_side import blocks, characters, code_points
from danlu.data.cleaning.cleaner import Editor
from danlu.data.cleaning.likely import likely, paired
from danlu.data.cleaning.misread import TWO_BYTES, Stretch, holds_all, stretches, suspected

_ENOUGH_UTF8, _ENOUGH, _ENOUGH_PAIRS = 22.0, 40.0, 60.0
"""Bits by which what it may have been must be likelier: if written in UTF-8, else if read in an encoding of one byte,
or of two. In the Universal Declaration in 532 languages (5.5 million characters) chance gives 19, 23 and 20 at most."""

_DISTINCT = 3  # different characters that other encodings than UTF-8 need: rows of × or ± are none

_WEAK = 8.0  # bits with which a stretch is looked at closely

_MOST, _NEARLY_ALL = 0.5, 0.9
"""Shares of the characters beyond ASCII that are clearly misread, and that can be: then all of the text is."""

_TRIED = 3  # pairs of encodings whose reading of all of a text is compared

_VALID = 8.0  # bits that UTF-8 is worth beside other encodings, for hardly anything but it is valid UTF-8

_CONTROLS = re.compile("[\x80-\x9f]|[\ud800-\udbff][\udc00-\udfff]")

_BLOCK = 2**18  # characters that are looked at together


class Mojibake(Editor):
    """Repairs text read in the wrong encoding, where that is likelier: UTF-8, GBK, Big5 and others, read as others.

    Controls that stand for characters of Windows-1252, and halves of a character of UTF-16, become these.
    """

    sample: ClassVar[tuple[str, ...]] = ("sÃ³ la naÃ¯vetÃ©", "ÄãºÃ£¬ÊÀ½ç", "浣犲ソ涓栫晫", "ÐŸÑ€Ð¸Ð²ÐµÑ‚")

    def rewrite(self, texts: Sequence[str]) -> list[str]:
        """The texts as they were meant; see `Rewriter`."""
        found = list(texts)
        rows = [row for row, text in enumerate(texts) if not text.isascii()]
        for block in blocks(rows, lambda row: len(texts[row]), _BLOCK):
            given = characters([texts[row] for row in block])
            controls = _CONTROLS.search(given.whole) is not None
            for row, pairs in zip(block, suspected(given), strict=True):
                if pairs or (controls and _CONTROLS.search(texts[row])):
                    found[row] = self._passed(texts[row], [])[0]
        return found

    def suspects(self, text: str) -> bool:
        """Whether there is anything beyond ASCII; see `Editor`."""
        return not text.isascii()

    def edits(self, text: str) -> list[Edit]:
        """The likeliest readings of what is misread, else what controls and halves stand for; see `Editor`."""
        codes = code_points(text)
        (pairs,) = suspected(characters([text]))
        known: _Known = {}
        tried = (_guess(text, found, pair, known) for pair in pairs for found in stretches(codes, *pair))
        guesses = [guess for guess in tried if guess]
        strong = [guess for guess in guesses if guess.is_strong]
        if not strong:
            return [
                (match.start(), match.end(), new)
                for match in _CONTROLS.finditer(text)
                if (new := _meant(match[0])) != match[0]
            ]
        sums: Counter[tuple[str, str]] = Counter()
        for guess in strong:
            sums[guess.pair] += guess.weight  # type: ignore[assignment]
        wholes, high = [], np.count_nonzero(codes > 0x7F)
        for pair, _ in sums.most_common(_TRIED):
            misread = sum(guess.end - guess.start for guess in strong if guess.pair == pair)
            if holds_all(codes, pair[0]) and misread >= _MOST * high:
                edits = [(found.start, found.end, found.new) for found in stretches(codes, *pair, whole=True)]
                if sum(end - start for start, end, _ in edits) >= _NEARLY_ALL * high:
                    gain = _gain(text, applied(text, edits))[1]
                    wholes.append((pair[1] == "utf-8", gain, pair, edits))
        if wholes and max(wholes)[1] > 0:
            return max(wholes)[3]
        strong.sort(key=lambda guess: (-guess.weight, guess.start, guess.end))
        return sorted((guess.start, guess.end, guess.new) for guess in _apart(strong))

    def settled(self, text: str) -> list[Edit]:
        """More of the same: each repair makes the text likelier, so that there is a last one."""
        return self.edits(text)


@dataclass(frozen=True)
class _Guess:
    """A stretch that may be misread: by how many bits what it may have been is likelier, and in what it was read."""

    gain: float
    start: int
    end: int
    new: str
    pair: tuple[str, str]
    distinct: int

    @property
    def weight(self) -> float:
        return self.gain + (_VALID if self.pair[1] == "utf-8" else 0.0)

    @property
    def is_strong(self) -> bool:
        if self.pair[1] == "utf-8":
            return self.gain >= _ENOUGH_UTF8
        enough = _ENOUGH_PAIRS if self.pair[0] in TWO_BYTES else _ENOUGH
        return self.gain >= enough and self.distinct >= _DISTINCT


_Known = dict[tuple[str, str, tuple[str, str]], _Guess | None]


def _guess(text: str, found: Stretch, pair: tuple[str, str], known: _Known) -> _Guess | None:
    """The part of a stretch that is likelier in its new form, or None; `known` spares looking twice at the same."""
    around = text[max(found.start - 1, 0) : found.end + 1]
    place = (around, found.new, pair)
    if place not in known:
        known[place] = _weighed(text, found, pair)
    guess = known[place]
    return guess and replace(guess, start=found.start + guess.start, end=found.start + guess.end)


def _weighed(text: str, found: Stretch, pair: tuple[str, str]) -> _Guess | None:
    """The same with its place counted from where the stretch begins.

    The part is the one of the largest sum of gains (Kadane, 1984).
    """
    old, before, after = (
        text[found.start : found.end],
        text[found.start - 1 : found.start] or " ",
        text[found.end : found.end + 1] or " ",
    )
    model = likely()
    gains = np.add.reduceat(model.bits(before + old), found.old_cuts[:-1])
    gains -= np.add.reduceat(model.bits(before + found.new), found.new_cuts[:-1])
    total, first, last = _largest(gains.tolist())
    if total < _WEAK:
        return None
    start, end = int(found.old_cuts[first]), int(found.old_cuts[last])
    new = found.new[found.new_cuts[first] : found.new_cuts[last]]
    one, two = (old[start - 1] if start else before), (old[end] if end < len(old) else after)
    gain, summed = _gain(one + old[start:end] + two, one + new + two)
    if min(gain, summed) <= 0:
        return None
    return _Guess(gain, start, end, new, pair, len(set(old[start:end])))


def _largest(gains: list[float]) -> tuple[float, int, int]:
    """The largest sum of a part, and where that begins and ends."""
    best, part = 0.0, (0, 0)
    total, start = 0.0, 0
    for place, gain in enumerate(gains):
        if total <= 0:
            total, start = 0.0, place
        total += gain
        if total > best:
            best, part = total, (start, place + 1)
    return best, *part


def _gain(old: str, new: str) -> tuple[float, float]:
    """By how many bits the new form is likelier: each pair of characters taken once, and all of them."""
    once, every = [], []
    for text in (old, new):
        codes = code_points(text)
        bits = likely().bits(text)
        _, places = np.unique(paired(codes[:-1], codes[1:]), return_index=True)
        once.append(float(bits[places].sum()))
        every.append(float(bits.sum()))
    return once[0] - once[1], every[0] - every[1]


def _apart(guesses: list[_Guess]) -> list[_Guess]:
    """Those that overlap none before them in the list."""
    taken: list[_Guess] = []
    starts: list[int] = []
    for guess in guesses:
        place = bisect_left(starts, guess.start)
        if (place == 0 or taken[place - 1].end <= guess.start) and (place == len(taken) or guess.end <= starts[place]):
            taken.insert(place, guess)
            starts.insert(place, guess.start)
    return taken


def _meant(found: str) -> str:
    if len(found) == 2:
        return found.encode("utf-16-le", "surrogatepass").decode("utf-16-le")
    return found.encode("latin-1").decode("cp1252", errors="ignore") or found
