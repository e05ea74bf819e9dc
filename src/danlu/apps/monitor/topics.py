"""What a text is about: by a bundle, or by keywords of a small file of YAML."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from danlu.apps.monitor.item import TOPICS
from danlu.apps.monitor.spelling import spelt
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

ALL = "all"
"""The topic of every text."""

MOST = 200
"""Topics, and words of one."""

LONGEST = 100
"""Characters of the name of a topic."""

_RUNNING = (
    "\u0e00-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\ua4cf\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Letters of scripts without spaces, and of Korean, whose words have endings: in these a word is found anywhere."""

_LETTERS = rf"[^\W\d_{_RUNNING}]"
"""What no word begins or ends beside that begins or ends with a letter; beside a digit it is digits."""

_JOINING = re.compile("[\u0590-\u06ff\u0750-\u077f\u0870-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
"""Letters of Hebrew and Arabic, which write article and prepositions together with the word behind them."""


class Keywords:
    """Topics by the words that stand in a text: whole words in any case, those of Chinese and its like anywhere."""

    def __init__(self, words: Mapping[str, Sequence[str]]) -> None:
        """Topics with their words."""
        self._topics = {topic: [(each, _whole(each)) for each in map(spelt, given)] for topic, given in words.items()}

    def topics(self, texts: Sequence[str]) -> list[tuple[str, ...]]:
        """The topics of each text, in the order of the file."""
        return [self._of(text) for text in texts]

    def _of(self, text: str) -> tuple[str, ...]:
        text = spelt(text)  # few words are in it at all: to ask that first takes a sixteenth of the time
        return tuple(
            topic
            for topic, words in self._topics.items()
            if any(word in text and whole.search(text) for word, whole in words)
        )[:TOPICS]


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


def _whole(word: str) -> re.Pattern[str]:
    """Finds a word that is no part of another."""
    before, behind = "" if _JOINING.match(word) else _beside(word[0]), _beside(word[-1])
    return re.compile((before and f"(?<!{before})") + re.escape(word) + (behind and f"(?!{behind})"))


def _beside(sign: str) -> str:
    """What must not stand beside a word that begins or ends with a sign; nothing for what may."""
    if re.fullmatch(_LETTERS, sign):
        return _LETTERS
    return r"\d" if sign.isdigit() else ""
