"""Made streams of texts, and monitors without a server, for tests and benchmarks."""

import random
from collections.abc import Sequence

from danlu.apps.monitor.alarm import Alarm
from danlu.apps.monitor.item import Item
from danlu.apps.monitor.judging import Judge
from danlu.apps.monitor.sentiment import WordsOfSentiment
from danlu.apps.monitor.topics import Keywords

BEGIN = 1_750_000_000 // 86_400 * 86_400.0
"""A midnight."""

DAILY = Alarm(step=86_400, learn=100, patience=0)
"""A day a step: a month is thirty of them."""

HOURLY = Alarm(step=3600, learn=60, patience=0)
COARSE = Alarm(step=10_800, learn=60, patience=0)
"""Three hours a step: thresholds are found three times as fast."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def stream(days: float, an_hour: float, shares: Sequence[tuple[float, float]], seed: int = 0) -> list[Item]:
    """Texts in the order of time, unlike each other, of topics a and b.

    The share of negative ones of `a` is the last of `shares`, (day, share), whose day has come, that of `b` the first.
    """
    rng = random.Random(seed)
    found, day = [], 0.0
    while (day := day + rng.expovariate(24 * an_hour)) < days:
        topic = rng.choice("ab")
        share = [share for since, share in shares if day >= since][-1] if topic == "a" else shares[0][1]
        words = " ".join("".join(rng.choices(_LETTERS, k=6)) for _ in range(6))
        date = round(BEGIN + day * 86_400, 3)
        found.append(Item(words, date=date, topics=(topic,), negative=rng.random() < share, source="made"))
    return found


def plain_judge() -> Judge:
    """By keywords and the rule."""
    return Judge(Keywords({}), WordsOfSentiment())
