"""A monitor made ready from a folder: its settings, its database, what judges, and the sample."""

import json
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from danlu.apps.bundles import Role, Roles
from danlu.apps.monitor.judging import FindsNegative, FindsTopics, Judge
from danlu.apps.monitor.sentiment import LabelledSentiment, WordsOfSentiment
from danlu.apps.monitor.settings import NAME, Settings
from danlu.apps.monitor.topics import Keywords, LabelledTopics
from danlu.bundle.answering import Answering
from danlu.machine.files import write_bytes, write_text
from danlu.refusal import Refusal


def roles(negative: str | None) -> Roles:
    """What bundles may judge; `negative` is the label that means it, None: known by its name."""
    return {"topics": Role(LabelledTopics), "sentiment": Role(lambda bundle: LabelledSentiment(bundle, negative))}


def judge_of(
    settings: Settings,
    bundles: Mapping[str, Answering | None],
    negative: str | None,
    say: Callable[[str], object],
) -> Judge:
    """What judges texts: the bundles of `roles` that there are, else keywords and the rule, which is told.

    Raises:
        Refusal: a label is told to mean negative, and there is no bundle that it is of.
    """
    finds_topics: FindsTopics
    finds_negative: FindsNegative
    topics, sentiment = bundles["topics"], bundles["sentiment"]
    if sentiment is None and negative is not None:
        raise Refusal(f"--negative {negative}: is a label of a bundle; name that as well, with --sentiment BUNDLE")
    if topics is not None:
        finds_topics = LabelledTopics(topics)
    else:
        finds_topics = Keywords(settings.topics)
        told = f"by the keywords of {len(settings.topics)} topics" if settings.topics else "none but that of all texts"
        say(f"topics: {told} (--topics BUNDLE: a model of yours)")
    if sentiment is not None:
        finds_negative = LabelledSentiment(sentiment, negative)
    else:
        finds_negative = WordsOfSentiment()
        say("sentiment: by a list of words and a rule, which is rough (--sentiment BUNDLE: a model of yours)")
    return Judge(finds_topics, finds_negative, say)


def put_sample(folder: Path, say: Callable[[str], object], now: float | None = None) -> None:
    """Put the sample into a folder: settings, and made-up texts of the last twelve days in its folder `inbox`.

    A file that is there already stays.
    """
    sample = files("danlu.apps.monitor") / "sample"
    if not (folder / NAME).exists():
        write_bytes(folder / NAME, (sample / NAME).read_bytes())
        say(f"{folder / NAME}: tells what is watched and who is told; change it as you like")
    texts = folder / "inbox" / "sample.jsonl"
    if not texts.exists():
        rows = [json.loads(line) for line in (sample / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
        end = time.time() if now is None else now
        for row in rows:
            row["date"] = datetime.fromtimestamp(end - 3600 * row.pop("hours"), UTC).isoformat(timespec="seconds")
        write_text(texts, "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows))
        say(f"{texts}: {len(rows)} texts, made up; put files of your own beside it")
