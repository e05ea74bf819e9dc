"""A monitor made ready from a folder: its settings, its database, what judges, and the sample."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import danlu
from danlu.apps.monitor.judging import FindsNegative, FindsTopics, Judge
from danlu.apps.monitor.sentiment import LabelledSentiment, WordsOfSentiment
from danlu.apps.monitor.settings import NAME, Settings
from danlu.apps.monitor.topics import Keywords, LabelledTopics
from danlu.machine.files import write_bytes

SAMPLE = ("monitor.yaml", "inbox/sample.jsonl")
"""What the sample puts into an empty folder."""


def judge_of(
    settings: Settings,
    topics: str | None,
    sentiment: str | None,
    negative: str | None,
    say: Callable[[str], object],
) -> Judge:
    """What judges texts: bundles where folders of them are given, else keywords and the rule, which is told.

    Raises:
        Refusal: a bundle cannot be opened, or answers with something else.
    """
    finds_topics: FindsTopics
    finds_negative: FindsNegative
    if topics is not None:
        finds_topics = LabelledTopics(danlu.load(topics))
    else:
        finds_topics = Keywords(settings.topics)
        told = f"by the keywords of {len(settings.topics)} topics" if settings.topics else "none but that of all texts"
        say(f"topics: {told} (--topics BUNDLE: a model of yours)")
    if sentiment is not None:
        finds_negative = LabelledSentiment(danlu.load(sentiment), negative)
    else:
        finds_negative = WordsOfSentiment()
        say("sentiment: by a list of words and a rule, which is rough (--sentiment BUNDLE: a model of yours)")
    return Judge(finds_topics, finds_negative)


def put_sample(folder: Path, say: Callable[[str], object]) -> None:
    """Put the sample into a folder: settings and made-up texts; a file that is there already stays."""
    for name in SAMPLE:
        target = folder / name
        if not target.exists():
            source = files("danlu.apps.monitor").joinpath("sample", *name.split("/"))
            target.parent.mkdir(parents=True, exist_ok=True)
            write_bytes(target, source.read_bytes())
            say(f"{target}: written")
    say(f"{folder / NAME} tells what is watched and who is told; change it as you like")
