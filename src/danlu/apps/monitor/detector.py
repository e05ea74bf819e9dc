"""One topic watched: its level is learnt, a change of it told once, and the new level learnt in turn."""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from danlu.apps.monitor.alarm import Alarm
from danlu.apps.monitor.calibration import thresholds
from danlu.apps.monitor.levels import HELD_BACK

Direction = Literal["up", "down"]

DIRECTIONS: tuple[Direction, Direction] = ("up", "down")
LEAST_STEPS = 12
"""Steps that a level is learnt over, however many texts they hold."""

AFTER = 1 / 3
"""Of `learn` texts that the level after a change is learnt from: it may soon be over."""

_REMEMBERED = 168
"""Steps over which the number of texts in a step is averaged."""

_MORE = 1.5
"""Times as many texts in a step as were reckoned with, at which the threshold is found anew."""


@dataclass(frozen=True)
class Change:
    """A share of negative texts that has changed.

    - `step`: the step after which that was plain; `since`: the one in which it has probably begun.
    - `before`, `after`: the shares; `negatives` of `texts` since then.
    - `sum`, `threshold`: how plain it was, and how plain it had to be.
    """

    step: int
    direction: Direction
    since: int
    before: float
    after: float
    negatives: int
    texts: int
    sum: float
    threshold: float


@dataclass
class Detector:
    """The state of one topic; steps are numbered, and come in order.

    - `negatives`, `texts`: the level; `steps` it was learnt over, before `limits` are known: the thresholds, and behind
      them what they were found for, odds and false alarms (states of earlier versions do not tell that, and count as
      found for what is asked when they are first seen).
    - `sums`, `run_negatives`, `run_texts`: up and down, as in `Levels`; `since`: the steps in which runs have begun,
      and `seen`, `seen_negatives` the whole texts of them.
    - `volume`, `weight`: a fading sum of texts and of steps; `planned`: texts of a step that the limits are for, which
      were found at the step `found`; `again`: whether a level was learnt before.
    """

    negatives: float = 0.0
    texts: float = 0.0
    steps: int = 0
    last: int | None = None
    limits: list[float] = field(default_factory=list)
    sums: list[float] = field(default_factory=lambda: [0.0, 0.0])
    run_negatives: list[float] = field(default_factory=lambda: [0.0, 0.0])
    run_texts: list[float] = field(default_factory=lambda: [0.0, 0.0])
    since: list[int] = field(default_factory=lambda: [0, 0])
    seen: list[int] = field(default_factory=lambda: [0, 0])
    seen_negatives: list[int] = field(default_factory=lambda: [0, 0])
    volume: float = 0.0
    weight: float = 0.0
    planned: float = 0.0
    again: bool = False
    found: int = 0

    def plain(self) -> dict[str, Any]:
        """The state as plain values, from which `Detector(**values)` is the same again."""
        return asdict(self)

    @property
    def level(self) -> float | None:
        """The share of negative texts as it was learnt; None before."""
        return (self.negatives + 0.5) / (self.texts + 1) if self.limits else None

    def step(self, step: int, negatives: int, texts: int, alarm: Alarm) -> Change | None:
        """Take the counts of a step; those between it and the last one were empty. A step of the past is refused."""
        if self.last is not None and step <= self.last:
            raise ValueError(f"step {step} comes after step {self.last}")
        gone = 1 if self.last is None else step - self.last
        self._count(texts, gone)
        self.last = step
        if not self.limits:
            self.negatives, self.texts, self.steps = self.negatives + negatives, self.texts + texts, self.steps + gone
            if self.texts >= alarm.learn * (AFTER if self.again else 1) and self.steps >= LEAST_STEPS:
                self._calibrate(step, alarm)
            return None
        if len(self.limits) == len(DIRECTIONS):  # to find all anew at once would take a second for each topic
            self.limits += [alarm.odds, alarm.false_alarms]
        elif self.limits[2:] != [alarm.odds, alarm.false_alarms]:
            self._take_over(step, alarm)
        if texts:
            self._sum(step, negatives, texts, alarm)
        change = self._passed(step)
        if change is not None:
            self._begin_anew(change)
        elif step - self.found >= alarm.month or self.volume / self.weight > _MORE * self.planned:
            self._calibrate(step, alarm)
        return change

    def set_back(self, step: int) -> None:
        """Go on from an earlier step, with all that was learnt: the clock was wrong."""
        moved = 0 if self.last is None else step - self.last
        self.last, self.found = step, self.found + moved
        self.since = [each + moved for each in self.since]

    def _count(self, texts: int, gone: int) -> None:
        """Average the texts of a step; of `gone` steps all but the last were empty."""
        kept = 1 - 1 / _REMEMBERED
        faded = kept**gone
        self.volume = self.volume * faded + texts
        self.weight = self.weight * faded + (1 - faded) / (1 - kept)

    def _calibrate(self, step: int, alarm: Alarm) -> None:
        self.planned, self.found = self.volume / self.weight, step
        found = thresholds(self.negatives, self.texts, self.planned, alarm)
        self.limits = [*found, alarm.odds, alarm.false_alarms]

    def _take_over(self, step: int, alarm: Alarm) -> None:
        """Go on as is asked now; sums of other odds say nothing of these."""
        if self.limits[2:3] != [alarm.odds]:
            self.sums, self.run_negatives, self.run_texts = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
        self._calibrate(step, alarm)

    def _sum(self, step: int, negatives: int, texts: int, alarm: Alarm) -> None:
        """As `Levels.step`, for one stream: 20 times as fast as with arrays of one number."""
        known = (self.negatives, self.texts)
        self.negatives, self.texts = self.negatives + negatives, self.texts + texts
        kept = min(1.0, alarm.memory / max(self.texts, 1.0))
        self.negatives, self.texts = self.negatives * kept, self.texts * kept
        for row, odds in enumerate((alarm.odds, 1 / alarm.odds)):
            if self.sums[row] == 0:
                self.since[row], self.seen[row], self.seen_negatives[row] = step, 0, 0
            self.seen[row] += texts
            self.seen_negatives[row] += negatives
            share = (known[0] - self.run_negatives[row] + 0.5) / (known[1] - self.run_texts[row] + 1)
            ratio = negatives * math.log(odds) - texts * math.log1p((odds - 1) * share)
            self.sums[row] = max(0.0, self.sums[row] + ratio)
            going = self.sums[row] > 0
            run = self.run_texts[row] + texts if going else 0.0
            held = min(1.0, HELD_BACK * self.texts / max(run, 1.0))
            self.run_negatives[row] = (self.run_negatives[row] + negatives) * held if going else 0.0
            self.run_texts[row] = run * held

    def _passed(self, step: int) -> Change | None:
        """The change that is plain now; of two the plainer one."""
        past = [self.sums[row] / self.limits[row] for row in range(2)]
        row = int(past[1] > past[0])
        if past[row] <= 1:
            return None
        negatives, texts = self.negatives - self.run_negatives[row], self.texts - self.run_texts[row]
        return Change(
            step=step,
            direction=DIRECTIONS[row],
            since=self.since[row],
            before=(negatives + 0.5) / (texts + 1),
            after=self.seen_negatives[row] / self.seen[row],
            negatives=self.seen_negatives[row],
            texts=self.seen[row],
            sum=self.sums[row],
            threshold=self.limits[row],
        )

    def _begin_anew(self, change: Change) -> None:
        """Learn the new level, from the texts that have shown it on."""
        self.negatives, self.texts = float(change.negatives), float(change.texts)
        self.steps = change.step - change.since + 1
        self.limits, self.again = [], True
        self.sums, self.run_negatives, self.run_texts = [0.0, 0.0], [0.0, 0.0], [0.0, 0.0]
