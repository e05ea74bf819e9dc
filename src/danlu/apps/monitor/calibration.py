"""Which sum is an alert: found by simulating a month in which nothing changes.

What the detector does not know, the simulation does not know either: each of its streams has a level of its own, drawn
from what the texts so far leave open (Jeffreys' prior), and learns it on the way by the very same code.
"""

import math
from functools import lru_cache

import numpy as np

from danlu.apps.monitor.alarm import Alarm
from danlu.apps.monitor.levels import Levels

STREAMS = 2000
"""Simulated months: an alert in 5 % of them is then one in 4.5 to 5.5 %."""

LEAST = 3.0
"""What is an alert at least: a change is twenty times likelier than none. Steps of many texts pass less by chance."""

_LOGIT, _TIMES = 0.4, 1.6
"""Between two levels, and between two numbers of texts, for which thresholds are found: they differ by few percent."""


def thresholds(negatives: float, texts: float, volume: float, alarm: Alarm) -> tuple[float, float]:
    """The sums, up and down, that are passed in half of `false_alarms` of stable months each.

    `negatives` of `texts` are known; `volume` texts come in a step. All three are rounded, the number of texts to
    fewer and the volume to more, so that what is found once serves again; both make the threshold a little higher.
    """
    logit = math.log((negatives + 0.5) / (texts - negatives + 0.5))
    known = math.floor(math.log(max(texts, 1.0), _TIMES) + 1e-9)
    more = math.ceil(math.log(max(volume, 0.05), _TIMES) - 1e-9)
    return _simulated(round(logit / _LOGIT), known, more, alarm)


@lru_cache(1024)
def _simulated(logit: int, known: int, more: int, alarm: Alarm) -> tuple[float, float]:
    share = 1 / (1 + math.exp(-logit * _LOGIT))
    texts, volume = min(_TIMES**known, float(alarm.memory)), _TIMES**more
    rng = np.random.default_rng((1954, logit + 1000, known, more + 1000))
    levels = Levels.of(np.full(STREAMS, share * texts), np.full(STREAMS, texts))
    true = rng.beta(share * texts + 0.5, (1 - share) * texts + 0.5, STREAMS)
    highest = np.zeros((2, STREAMS))
    for _ in range(alarm.month):
        negatives, others = rng.poisson(volume * true), rng.poisson(volume - volume * true)
        levels.step(negatives.astype(float), (negatives + others).astype(float), alarm.odds, alarm.memory)
        np.maximum(highest, levels.sums, out=highest)
    up, down = np.quantile(highest, 1 - alarm.false_alarms / 2, axis=1).tolist()
    return max(up, LEAST), max(down, LEAST)
