"""Detectors as they are written by hand: a fixed threshold, and the CUSUM of textbooks on shares by the hour."""

from collections import deque

import numpy as np

Told = tuple[int, str]
"""The step of an alert, and its direction."""

LEAST = 20
"""Texts of a day that a share is told of."""


class FixedThreshold:
    """An alert when the share of negative texts of 24 hours is above one and a half times the level; once each time."""

    def __init__(self, learn: int, times: float = 1.5) -> None:
        """The level is the share of the first `learn` texts."""
        self.learn, self.times = learn, times

    def run(self, counts: list[tuple[int, int, int]]) -> list[Told]:
        """The alerts of a series."""
        found: list[Told] = []
        held: deque[tuple[int, int, int]] = deque()
        negatives = texts = 0
        level, above = None, False
        for step, bad, count in counts:
            if level is None:
                negatives, texts = negatives + bad, texts + count
                level = negatives / texts if texts >= self.learn else None
                continue
            held.append((step, bad, count))
            while held[0][0] <= step - 24:
                held.popleft()
            day = sum(each[2] for each in held)
            share = sum(each[1] for each in held) / day
            was, above = above, day >= LEAST and share > self.times * level
            if above and not was:
                found.append((step, "up"))
        return found


class TextbookCusum:
    """Shares by the hour, less their mean, in deviations; a slack of half of one, an alert at five (Montgomery).

    After an alert mean and deviation are learnt anew.
    """

    def __init__(self, learn: int) -> None:
        """Mean and deviation are those of the hours of the first `learn` texts."""
        self.learn = learn

    def run(self, counts: list[tuple[int, int, int]]) -> list[Told]:
        """The alerts of a series."""
        found: list[Told] = []
        shares: list[float] = []
        texts = 0
        up = down = mean = deviation = 0.0
        for step, bad, count in counts:
            if texts < self.learn:
                texts += count
                shares.append(bad / count)
                mean, deviation = float(np.mean(shares)), max(float(np.std(shares)), 1e-9)
                continue
            z = (bad / count - mean) / deviation
            up, down = max(0.0, up + z - 0.5), max(0.0, down - z - 0.5)
            if max(up, down) > 5:
                found.append((step, "up" if up > 5 else "down"))
                up = down = 0.0
                shares, texts = [], 0
        return found
