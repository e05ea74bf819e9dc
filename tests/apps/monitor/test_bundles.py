"""Topics and sentiment by models of one's own."""

from collections.abc import Callable
from pathlib import Path

import pytest

from danlu.apps.bundles import opened
from danlu.apps.monitor.opening import judge_of, roles
from danlu.apps.monitor.settings import Settings
from danlu.apps.monitor.topics import LabelledTopics
from danlu.bundle.bundle import load
from danlu.refusal import Refusal


def test_bundles_tell_topics_and_sentiment_as_they_answer(tiny_bundle: Callable[[str], Path]) -> None:
    texts, lines = ["这本书很好", "the hotel was bad", ""], list[str]()
    with load(tiny_bundle("classify"), threads=1) as bundle:
        answers = [each["label"] for each in bundle.predict(texts)]
        labels = list(bundle.task.labels)  # type: ignore[attr-defined]
        assert LabelledTopics(bundle).topics(texts) == [(label,) for label in answers]
        for label in labels:
            judge = judge_of(Settings(), {"topics": None, "sentiment": bundle}, label, lines.append)
            assert judge.finds_negative.negative(texts) == [answer == label for answer in answers]
        assert lines == ["topics: none but that of all texts (--topics BUNDLE: a model of yours)"] * len(labels)


def test_a_label_without_a_bundle_is_refused() -> None:
    with pytest.raises(Refusal, match="--negative bad: is a label of a bundle; name that as well, with --sentiment"):
        judge_of(Settings(), {"topics": None, "sentiment": None}, "bad", lambda _: None)


@pytest.mark.parametrize(
    ("role", "kind", "negative", "told"),
    [
        ("sentiment", "classify", "nothing", "--negative nothing: is none of the labels"),
        ("sentiment", "embed", None, "give a bundle of the task classify"),
        ("topics", "embed", None, "multilabel or classify"),
    ],
)
def test_a_bundle_that_cannot_tell_is_refused(
    tiny_bundle: Callable[[str], Path], role: str, kind: str, negative: str | None, told: str
) -> None:
    with pytest.raises(Refusal, match=told), opened({role: tiny_bundle(kind)}, roles(negative), threads=1):
        pass
