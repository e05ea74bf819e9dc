"""What a replay prints."""

from collections.abc import Iterator
from datetime import UTC, datetime

from danlu.apps.monitor.alarm import Alarm
from danlu.apps.monitor.detector import Change
from danlu.apps.monitor.replay import Replayed

_MONTH = 30 * 86_400


def lines_of(found: Replayed, alarm: Alarm) -> Iterator[str]:
    """The lines."""
    folded, undated = f"{found.folded:,} repeat another", f"{found.undated:,} without a time that can be are left out"
    yield f"texts: {found.texts:,}, of which {folded}, and {undated}"
    if found.topics:
        yield f"from {_time(found.first, alarm)} to {_time(found.last + 1, alarm)}, {len(found.topics)} topics"
    for topic, texts in sorted(found.topics.items(), key=lambda each: -each[1])[:20]:
        raised = sum(name == topic for name, _ in found.alerts)
        learning = f", too few to learn its level ({alarm.learn})" if texts < alarm.learn else ""
        yield f"  {topic}: {texts:,} texts, {raised} alerts{learning}"
    for topic, change in found.alerts:
        yield f"{_time(change.step + 1, alarm)}  alert, {topic}: {_change(change)}"
    if found.surges:
        yield from _planted(found, alarm)
    if found.stable:
        months = found.stable * alarm.step / _MONTH
        rate = len(found.false) / months
        kind = "alerts that no surge explains" if found.surges else "alerts"
        yield f"{kind}: {len(found.false)} in {months:.2f} months of topics that were watched, {rate:.2f} a month"


def _planted(found: Replayed, alarm: Alarm) -> Iterator[str]:
    caught = [(surge, change) for surge, change in zip(found.surges, found.caught, strict=True) if change is not None]
    yield f"planted surges: {len(found.surges)}, of which {len(caught)} raised an alert while they lasted"
    delays = []
    for surge, change in zip(found.surges, found.caught, strict=True):
        hours = (surge.last - surge.first + 1) * alarm.step / 3600
        begun = f"{_time(surge.first, alarm)}  {surge.topic}: odds times {surge.times:g} for {hours:g} hours"
        if change is None:
            yield f"  {begun}: no alert"
            continue
        delays.append((change.step + 1 - surge.first) * alarm.step / 3600)
        yield f"  {begun}: alert after {delays[-1]:g} hours"
    if delays:
        middle = sorted(delays)[len(delays) // 2]
        yield f"delay: {sum(delays) / len(delays):.1f} hours on average, {middle:g} in the middle"


def _change(change: Change) -> str:
    way = "rise" if change.direction == "up" else "fall"
    counted = f"{change.negatives} of {change.texts} texts"
    return f"negative texts {way} from {change.before:.0%} to {change.after:.0%} ({counted})"


def _time(step: int, alarm: Alarm) -> str:
    return datetime.fromtimestamp(step * alarm.step, UTC).strftime("%Y-%m-%d %H:%M")
