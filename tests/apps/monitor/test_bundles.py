"""Topics and sentiment by models of one's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

import danlu
from danlu.apps.monitor.opening import judge_of
from danlu.apps.monitor.settings import Settings
from danlu.apps.monitor.topics import LabelledTopics
from danlu.refusal import Refusal


def judged(topics: str | None, sentiment: str | None, negative: str | None) -> tuple[object, list[str]]:
    lines: list[str] = []
    return judge_of(Settings(), topics, sentiment, negative, lines.append), lines


def test_bundles_tell_topics_and_sentiment_as_they_answer(tiny_bundle: Callable[[str], Path]) -> None:
    classify = str(tiny_bundle("classify"))
    texts = ["这本书很好", "the hotel was bad", ""]
    with danlu.load(classify) as bundle:
        answers = [each["label"] for each in bundle.predict(texts)]
        labels = list(bundle.task.labels)  # type: ignore[attr-defined]
        assert LabelledTopics(bundle).topics(texts) == [(label,) for label in answers]
    for label in labels:
        judge, lines = judged(None, classify, label)
        assert judge.finds_negative.negative(texts) == [answer == label for answer in answers]  # type: ignore[attr-defined]
        assert lines == ["topics: none but that of all texts (--topics BUNDLE: a model of yours)"]


def test_a_bundle_that_cannot_tell_is_refused(tiny_bundle: Callable[[str], Path]) -> None:
    with pytest.raises(Refusal, match=r"--negative nothing: is none of the labels"):
        judged(None, str(tiny_bundle("classify")), "nothing")
    with pytest.raises(Refusal, match=r"give a bundle of the task classify"):
        judged(None, str(tiny_bundle("embed")), None)
    with pytest.raises(Refusal, match=r"multilabel or classify"):
        judged(str(tiny_bundle("embed")), None, None)
    with pytest.raises(Refusal):
        judged(str(Path("nothing")), None, None)
