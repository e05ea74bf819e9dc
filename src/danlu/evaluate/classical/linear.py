"""A linear classifier of sparse vectors, and its answers as the task `classify` gives them (Cox, 1958)."""

from collections.abc import Sequence
from typing import Any

from danlu.task.task import Prediction

_TOGETHER = 20_000_000
"""Weights up to which all labels are learnt at once, at some 300 bytes each; more one by one, at 9 (2026-11)."""


def labelled(
    learnt: Any, truths: Sequence[str], asked: Any, count: int, labels: Sequence[str], inverse_regularisation: float
) -> list[Prediction]:
    """`{"label", "scores"}` of each of `count` rows of `asked`, by logistic regression of `truths` on `learnt`."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.multiclass import OneVsRestClassifier

    labels = labels or tuple(sorted(set(truths)))
    if len(set(truths)) == 1:  # nothing to tell apart: the one label, whatever the text
        return [_prediction({truths[0]: 1.0}, labels) for _ in range(count)]
    model: Any = LogisticRegression(C=inverse_regularisation, max_iter=300)
    if len(set(truths)) * learnt.shape[1] > _TOGETHER:
        one = LogisticRegression(C=inverse_regularisation, max_iter=300, solver="liblinear")
        model = OneVsRestClassifier(one)
    model.fit(learnt, truths)
    names = [str(name) for name in model.classes_]
    shares = model.predict_proba(asked) if count else []
    return [_prediction(dict(zip(names, map(float, row), strict=True)), labels) for row in shares]


def _prediction(shares: dict[str, float], labels: Sequence[str]) -> Prediction:
    scores = {label: shares.get(label, 0.0) for label in labels}
    return {"label": max(scores, key=lambda label: scores[label]), "scores": scores}
