"""What a replay prints, in English or Chinese."""

from collections.abc import Callable, Iterator
from datetime import datetime

from danlu.apps.monitor.alarm import Alarm
from danlu.apps.monitor.detector import Change
from danlu.apps.monitor.replay import Replayed
from danlu.apps.monitor.topics import ALL
from danlu.language import translator

_MONTH = 30 * 86_400

_Translate = Callable[[str], str]


def lines_of(found: Replayed, alarm: Alarm, language: str = "en") -> Iterator[str]:
    """The lines."""
    _ = translator(language)
    yield _(
        "texts: {texts:,}, of which {folded:,} repeat another, and {undated:,} without a time that can be are left out"
    ).format(texts=found.texts, folded=found.folded, undated=found.undated)
    if found.topics:
        first, last = _time(found.first, alarm), _time(found.last + 1, alarm)
        yield _("from {first} to {last}, {topics} topics").format(first=first, last=last, topics=len(found.topics))
    for topic, texts in sorted(found.topics.items(), key=lambda each: -each[1])[:20]:
        raised = sum(name == topic for name, change in found.alerts)
        told = _("  {topic}: {texts:,} texts, {alerts} alerts").format(
            topic=_name(topic, _), texts=texts, alerts=raised
        )
        if texts < alarm.learn:
            told += _(", too few to learn its level ({learn})").format(learn=alarm.learn)
        yield told
    for topic, change in found.alerts:
        time = _time(change.step + 1, alarm)
        yield _("{time}  alert, {topic}: {change}").format(time=time, topic=_name(topic, _), change=_change(change, _))
    if found.surges:
        yield from _planted(found, alarm, _)
    if found.stable:
        months = found.stable * alarm.step / _MONTH
        told = _("alerts: {count} in {months:.2f} months of topics that were watched, {rate:.2f} a month")
        if found.surges:
            told = _(
                "unexplained alerts: {count} in {months:.2f} months of topics that were watched, {rate:.2f} a month"
            )
        yield told.format(count=len(found.false), months=months, rate=len(found.false) / months)


def _planted(found: Replayed, alarm: Alarm, _: _Translate) -> Iterator[str]:
    caught = sum(change is not None for change in found.caught)
    told = _("planted surges: {count}, of which {caught} raised an alert while they lasted")
    yield told.format(count=len(found.surges), caught=caught)
    delays = []
    for surge, change in zip(found.surges, found.caught, strict=True):
        hours = (surge.last - surge.first + 1) * alarm.step / 3600
        begun = _("  {time}  {topic}: odds times {times:g} for {hours:g} hours").format(
            time=_time(surge.first, alarm), topic=_name(surge.topic, _), times=surge.times, hours=hours
        )
        if change is None:
            yield _("{begun}: no alert").format(begun=begun)
            continue
        delays.append((change.step + 1 - surge.first) * alarm.step / 3600)
        yield _("{begun}: alert after {hours:g} hours").format(begun=begun, hours=delays[-1])
    if delays:
        told = _("delay: {mean:.1f} hours on average, {middle:g} in the middle")
        yield told.format(mean=sum(delays) / len(delays), middle=sorted(delays)[len(delays) // 2])


def _change(change: Change, _: _Translate) -> str:
    told = _("negative texts fall from {before:.0%} to {after:.0%} ({negatives} of {texts} texts)")
    if change.direction == "up":
        told = _("negative texts rise from {before:.0%} to {after:.0%} ({negatives} of {texts} texts)")
    return told.format(before=change.before, after=change.after, negatives=change.negatives, texts=change.texts)


def _name(topic: str, _: _Translate) -> str:
    return _("all topics") if topic == ALL else topic


def _time(step: int, alarm: Alarm) -> str:
    """As alerts tell it: by this machine's clock, with its offset."""
    return datetime.fromtimestamp(step * alarm.step).astimezone().isoformat(" ", "minutes")
