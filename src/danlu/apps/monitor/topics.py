"""What a text is about: by a bundle, or by keywords of a small file of YAML."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from danlu.apps.monitor.item import TOPICS
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

ALL = "all"
"""The topic of every text."""

MOST = 200
"""Topics, and words of one."""

LONGEST = 100
"""Characters of the name of a topic."""

_LATIN = "A-Za-z\u00c0-\u024f"
"""Letters beside which a word of letters is another word; a Chinese character may stand beside it."""


class Keywords:
    """Topics by the words that stand in a text: letters as whole words in any case, Chinese anywhere."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        """Topics with their words."""
        self._topics = {topic: _expression(each) for topic, each in words.items()}

    def topics(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """The topics of each text, in the order of the file."""
        return [self._of(text) for text in texts]

    def _of(self, text: str) -> tuple[str, ...]:
        return tuple(topic for topic, expression in self._topics.items() if expression.search(text))[:TOPICS]


class LabelledTopics:
    """Topics as a bundle labels texts, by `multilabel` or `classify`."""

    def __init__(self, bundle: "Answering") -> None:
        """Raises `Refusal` where the bundle answers with something else than labels."""
        if bundle.task.form.kind not in ("label", "labels"):
            raise Refusal(
                f"--topics {bundle.folder}: answers with '{bundle.task.form.kind}'; give a bundle of the task "
                "multilabel or classify"
            )
        self._bundle = bundle

    def topics(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """The labels of each text, as long as a topic may be."""
        found = [each["labels"] if "labels" in each else [each["label"]] for each in self._bundle.predict(list(texts))]
        return [tuple(label[:LONGEST] for label in labels[:TOPICS]) for labels in found]


def keywords_of(data: Mapping[str, object], where: str) -> dict[str, list[str]]:
    """Topics out of plain values. Raises `Refusal` naming `where` and the topic that is none."""
    if len(data) > MOST:
        raise Refusal(f"{where}: has {len(data)} topics, and {MOST} are taken; leave some out")
    found = {}
    for topic, given in data.items():
        if topic == ALL:
            raise Refusal(f"{where}: '{ALL}' is the topic of every text; call this one otherwise")
        words = [str(word).strip() for word in given] if isinstance(given, list) else []
        if not 0 < len(words) <= MOST or not all(words):
            raise Refusal(f"{where}: {topic!s:.100}: expected a list of words, as in [price, 价格], at most {MOST}")
        found[str(topic)[:LONGEST]] = words
    return found


def _expression(words: Sequence[str]) -> re.Pattern[str]:
    whole = [
        rf"(?<![{_LATIN}]){re.escape(word)}(?![{_LATIN}])" if word.isascii() else re.escape(word) for word in words
    ]
    return re.compile("|".join(whole), re.IGNORECASE)
