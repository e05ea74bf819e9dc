"""History run through once more: the alerts that it would have raised, and how late they come where changes are known.

The same judge, folding and detectors as when texts come one by one, without a database.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from danlu.apps.monitor.alarm import Alarm
from danlu.apps.monitor.dates import settled
from danlu.apps.monitor.detector import Change, Detector
from danlu.apps.monitor.folding import Folding
from danlu.apps.monitor.item import Item
from danlu.apps.monitor.judging import Given, Judge, Judged
from danlu.apps.monitor.topics import ALL
from danlu.apps.monitor.work import BLOCK
from danlu.refusal import Refusal


@dataclass(frozen=True)
class Heard:
    """A text as the detectors hear it."""

    step: int
    topics: tuple[str, ...]
    negative: bool


@dataclass(frozen=True)
class Surge:
    """A change that was planted: the odds of a negative text of a topic, times so much, over some steps."""

    topic: str
    first: int
    last: int
    times: float


@dataclass
class Replayed:
    """What came of a history.

    - `texts`, `folded`, `undated`: how many there were, repeat another, and tell no time and are left out.
    - `alerts`: topic and change, in the order in which they were raised.
    - `surges`: what was planted, and `caught`: for each the alert in its direction while it lasted, or None.
    - `stable`: steps of all topics together in which they were watched and nothing was planted.
    - `false`: alerts that no surge, beginning or ending, explains.
    """

    texts: int = 0
    folded: int = 0
    undated: int = 0
    first: int = 0
    last: int = 0
    topics: dict[str, int] = field(default_factory=dict)
    alerts: list[tuple[str, Change]] = field(default_factory=list)
    surges: list[Surge] = field(default_factory=list)
    caught: list[Change | None] = field(default_factory=list)
    false: list[tuple[str, Change]] = field(default_factory=list)
    stable: int = 0


def heard(items: Iterable[Item], judge: Judge, alarm: Alarm, now: float) -> tuple[list[Heard], Replayed]:
    """Judge a history in the order of its dates; texts without one are left out, as nobody knows when they came."""
    dated, found = [], Replayed()
    for item in items:
        date, told = settled(item.date, now)
        found.texts += 1
        found.undated += told != "told"
        if told == "told":
            dated.append(replace(item, date=date))
    dated.sort(key=lambda item: item.date or 0.0)
    texts = [Given(row, item.whole, item.date or 0.0, item.topics, item.negative) for row, item in enumerate(dated)]
    folding = Folding(lambda numbers: {number: texts[number].text for number in numbers})
    rows: list[Heard] = []
    for start in range(0, len(texts), BLOCK):
        part = texts[start : start + BLOCK]
        for text, judged in zip(part, judge.judge(folding, part), strict=True):
            if judged.like is None:
                rows.append(_heard(text, judged, alarm))
            found.folded += judged.like is not None
    return rows, found


def _heard(text: Given, judged: Judged, alarm: Alarm) -> Heard:
    return Heard(int(text.date // alarm.step), judged.topics, judged.negative)


def watched(rows: Sequence[Heard], alarm: Alarm, found: Replayed) -> Replayed:
    """Let detectors hear a history, and tell their alerts."""
    counts: dict[int, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for row in rows:
        for topic in row.topics:
            counts[row.step][topic][0] += row.negative
            counts[row.step][topic][1] += 1
    detectors: dict[str, Detector] = {}
    ready: dict[str, list[int]] = defaultdict(list)
    for step in sorted(counts):
        for topic, (negatives, texts) in sorted(counts[step].items()):
            detector = detectors.setdefault(topic, Detector())
            found.topics[topic] = found.topics.get(topic, 0) + texts
            change = detector.step(step, negatives, texts, alarm)
            if change is not None:
                found.alerts.append((topic, change))
            if detector.limits:
                ready[topic].append(step)
    found.first, found.last = (min(counts), max(counts)) if counts else (0, 0)
    _compare(found, ready)
    return found


def _compare(found: Replayed, ready: dict[str, list[int]]) -> None:
    """Tell which alerts were planted, and how many steps were watched in which nothing was."""
    explained: set[int] = set()
    for surge in found.surges:
        own = [(row, change) for row, (topic, change) in enumerate(found.alerts) if topic == surge.topic]
        up = "up" if surge.times > 1 else "down"
        hits = [(row, change) for row, change in own if surge.first <= change.step <= surge.last]
        found.caught.append(next((change for _, change in hits if change.direction == up), None))
        length = surge.last - surge.first + 1
        explained |= {row for row, change in own if surge.first <= change.step <= surge.last + length}
        # a surge of a topic is one of all texts as well, only smaller
        explained |= {
            row
            for row, (topic, change) in enumerate(found.alerts)
            if topic == ALL and surge.first <= change.step <= surge.last + length
        }
    found.false = [alert for row, alert in enumerate(found.alerts) if row not in explained]
    for topic, steps in ready.items():
        if steps:
            of_surges = {
                step
                for surge in found.surges
                if topic in (surge.topic, ALL)
                for step in range(surge.first, surge.last + (surge.last - surge.first + 1) + 1)
            }
            found.stable += sum(step not in of_surges for step in range(steps[0], steps[-1] + 1))


def plant(rows: Sequence[Heard], surges: Sequence[Surge], seed: int = 0) -> list[Heard]:
    """The history with some texts turned negative, or no more so.

    The odds in each surge are so many times those of the whole topic then.
    """
    rng = np.random.default_rng(seed)
    planted = list(rows)
    for surge in surges:
        own = [row.negative for row in rows if surge.topic in row.topics]
        share = float(np.mean(own)) if own else 0.0
        if not 0 < share < 1:
            kind = "none" if not share else "all"
            raise Refusal(
                f"a surge cannot be planted in '{surge.topic}': of its {len(own):,} texts {kind} are negative; give a "
                "longer history, or another rule for what is negative"
            )
        new = share * surge.times / (1 - share + share * surge.times)
        turned = (new - share) / (1 - share) if new > share else 1 - new / share
        for place, row in enumerate(planted):
            inside = surge.topic in row.topics and surge.first <= row.step <= surge.last
            if inside and row.negative != (new > share) and rng.random() < turned:
                planted[place] = replace(row, negative=not row.negative)
    return planted


def places_for(
    rows: Sequence[Heard], count: int, alarm: Alarm, times: float = 2.5, hours: float = 24.0, seed: int = 0
) -> list[Surge]:
    """Where surges are planted: in the most spoken-of topics, one after the other, after the level was learnt.

    Raises:
        Refusal: the history is too short.
    """
    texts: dict[str, list[int]] = defaultdict(list)
    for row in rows:
        for topic in row.topics:
            texts[topic].append(row.step)
    length = max(1, round(hours * 3600 / alarm.step))
    room: dict[str, tuple[int, int]] = {}
    for topic in sorted(texts, key=lambda each: -len(texts[each])):
        steps = sorted(texts[topic])
        if topic != ALL and len(steps) > 2 * alarm.learn:
            begin, end = max(steps[alarm.learn], steps[0] + 24) + length, steps[-1] - 2 * length
            if begin < end:
                room[topic] = (begin, end)
    if not room and len(texts[ALL]) > 2 * alarm.learn:
        steps = sorted(texts[ALL])
        room[ALL] = (steps[alarm.learn] + length, steps[-1] - 2 * length)
    if not room or any(begin >= end for begin, end in room.values()):
        raise Refusal(
            f"surges cannot be planted: no topic has more than {2 * alarm.learn} texts over more than "
            f"{3 * length} steps; give a longer history, or a smaller alarm.learn"
        )
    rng = np.random.default_rng(seed)
    each = -(-count // len(room))
    found = []
    for number in range(count):
        topic = list(room)[number % len(room)]
        begin, end = room[topic]
        width = (end - begin) / each
        first = int(begin + width * (number // len(room)) + rng.random() * max(1.0, width - 3 * length))
        found.append(Surge(topic, first, first + length - 1, times))
    return sorted(found, key=lambda surge: surge.first)
