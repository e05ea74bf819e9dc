"""Whether a text is negative: by a bundle, or by a rule over words that is ours, and rough.

The rule: words of `words_of_sentiment.yaml`, each for or against; what is denied shortly before counts the other way
round, what is strengthened counts more, and what stands behind "but" more than what stands before it.
"""

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from danlu.apps.monitor.negative import named
from danlu.apps.monitor.spelling import APOSTROPHES
from danlu.recipe.yaml_text import parse
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from danlu.bundle.answering import Answering

_REACH = 4
"""Characters of Chinese between what denies or strengthens and the word that it is about; as many words of English."""

_BEHIND_BUT = 1.5
_READ = 4000
"""Characters of a text that the rule looks at."""

_SENTENCE = re.compile(r"[。!?！？\n;；]|\.\s")


class WordsOfSentiment:
    """The rule."""

    def negative(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text is negative."""
        return [score(text) < 0 for text in texts]


class LabelledSentiment:
    """Sentiment as a bundle of the task `classify` labels it."""

    def __init__(self, bundle: "Answering", label: str | None = None) -> None:
        """`label` is the one that means negative; None: it is known by its name.

        Raises:
            Refusal: the bundle does not answer with one label, or none of its labels is known to mean negative.
        """
        self._bundle, self._given = bundle, label
        self._label()

    def negative(self, texts: Sequence[str]) -> list[bool]:
        """Whether each text is negative."""
        label = self._label()
        return [each["label"] == label for each in self._bundle.predict(list(texts))]

    def _label(self) -> str:
        """The label that means negative, asked each time: a bundle that is taken anew may call it otherwise."""
        task, folder, given = self._bundle.task, self._bundle.folder, self._given
        if task.form.kind != "label":
            raise Refusal(f"--sentiment {folder}: answers with '{task.form.kind}'; give a bundle of the task classify")
        labels = [str(each) for each in getattr(task, "labels", ())]
        known = [each for each in labels if named(each)]
        if given is None and len(known) != 1:
            raise Refusal(
                f"--sentiment {folder}: which of its labels means negative ({', '.join(labels)[:200]})? "
                "say so with --negative LABEL"
            )
        if given is not None and given not in labels:
            raise Refusal(f"--negative {given}: is none of the labels of the bundle ({', '.join(labels)[:200]})")
        return known[0] if given is None else given


def score(text: str) -> float:
    """How much speaks for a text, below nought how much against it."""
    total = 0.0
    for sentence in _SENTENCE.split(text[:_READ].lower().translate(APOSTROPHES)):
        before, behind = 0.0, 0.0
        turned = False
        reaching: list[tuple[int, float]] = []
        for found in _expression().finditer(sentence):
            if (meant := _meanings().get(found[0])) is None:
                continue
            kind, weight = meant
            if kind == "but":
                turned, reaching = True, []
            elif kind == "word":
                for end, factor in reaching:
                    if _distance(sentence, end, found.start()) <= _REACH:
                        weight *= factor
                reaching = []
                before, behind = (before, behind + weight) if turned else (before + weight, behind)
            else:
                reaching.append((found.end(), weight))
        total += before + _BEHIND_BUT * behind
    return total


def _distance(sentence: str, end: int, start: int) -> int:
    between = sentence[end:start]
    if any(sign in between for sign in ",\uff0c、:\uff1a"):
        return _REACH + 1
    return len(between.split()) if between.isascii() else len(between)


@cache
def _meanings() -> dict[str, tuple[str, float]]:
    """What each word means: a word with its weight, or a factor of the next one, or "but"."""
    text = (files("danlu.apps.monitor") / "words_of_sentiment.yaml").read_text(encoding="utf-8")
    lists = parse(text, "words_of_sentiment.yaml")[0]
    kinds = {
        "for": ("word", 1.0),
        "against": ("word", -1.0),
        "strongly_against": ("word", -2.0),
        "deny": ("deny", -1.0),
    }
    kinds |= {"strengthen": ("much", 1.5), "weaken": ("much", 0.5), "but": ("but", 0.0), "neither": ("much", 1.0)}
    return {word.replace("_", " "): kinds[name] for name, words in lists.items() for word in words.split()}


@cache
def _expression() -> re.Pattern[str]:
    """Finds words of Chinese, longer ones first, and every word of English, of which most mean nothing.

    Six times as fast as all words side by side in any case (0.1 ms a text, 2026-11): the first characters differ.
    """
    by_first: dict[str, list[str]] = {}
    for word in sorted(_meanings(), key=len, reverse=True):
        if not word.isascii():
            by_first.setdefault(word[0], []).append(re.escape(word[1:]))
    chinese = "|".join(f"{first}(?:{'|'.join(rests)})" for first, rests in by_first.items())
    several = "|".join(re.escape(word) for word in _meanings() if " " in word)
    return re.compile(rf"(?:{several})(?![a-z])|[a-z]+(?:'[a-z]+)?|{chinese}")
