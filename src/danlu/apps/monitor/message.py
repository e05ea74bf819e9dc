"""What an alert says to people, in English or Chinese, and to programs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from danlu.apps.monitor.topics import ALL

_WORDS = {
    "en": {
        "up": "{topic}: negative texts rise from {before:.0%} to {after:.0%}",
        "down": "{topic}: negative texts fall from {before:.0%} to {after:.0%}",
        "since": "since {since}: {negatives} of {texts} texts are negative; told at {told}",
        "texts": "among them:",
        ALL: "all topics",
    },
    "zh": {
        "up": "{topic}：负面占比由 {before:.0%} 升至 {after:.0%}",
        "down": "{topic}：负面占比由 {before:.0%} 降至 {after:.0%}",
        "since": "自 {since} 起，{texts} 条文本中有 {negatives} 条负面；{told} 发出",
        "texts": "其中：",
        ALL: "全部话题",
    },
}
_SHOWN = 5
_LONGEST = 120


@dataclass(frozen=True)
class Message:
    """An alert as it is sent.

    - `key`: the same for every try, so that whoever gets it twice can tell.
    - `plain`: for programs.
    """

    key: str
    title: str
    text: str
    plain: dict[str, Any]


def message_of(alert: Mapping[str, Any], texts: Sequence[Mapping[str, Any]], language: str) -> Message:
    """The message of an alert, with some of the texts behind it."""
    words, told = _WORDS[language], alert["told"]
    seconds = told["seconds"]
    since, until = _time(told["since"] * seconds), _time((told["step"] + 1) * seconds)
    topic = words[ALL] if alert["topic"] == ALL else " ".join(alert["topic"].split())
    title = words[told["direction"]].format(topic=topic, before=told["before"], after=told["after"])
    lines = [words["since"].format(since=since, negatives=told["negatives"], texts=told["texts"], told=until)]
    if texts:
        lines.append(words["texts"])
        lines += [f"- {_short(text['title'] or text['text'])}{_address(text['url'])}" for text in texts[:_SHOWN]]
    plain = {"topic": alert["topic"], "direction": told["direction"], "since": since, "until": until}
    plain |= {name: told[name] for name in ("before", "after", "negatives", "texts")}
    return Message(alert["key"], title, "\n".join(lines), {"key": alert["key"], "title": title} | plain)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[:_LONGEST]}…"


def _address(url: str) -> str:
    return f" {url}" if url.startswith(("http://", "https://")) else ""


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(" ", "minutes")


TRIAL = Message(
    key="0" * 32,
    title="danlu: trial / 试发",
    text="This channel works; no alert was raised.\n此通道可用，并无预警。",
    plain={"key": "0" * 32, "title": "trial", "trial": True},
)
"""What is sent to see that a channel works."""
