"""Linear classifiers of many labels, which are learnt one by one, answer as those that are learnt at once."""

import numpy as np
import pytest

from danlu.evaluate.classical.linear import labelled


def test_many_labels_are_learnt_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    truths = [str(number % 4) for number in range(80)]
    learnt = np.eye(4)[np.arange(80) % 4] + rng.normal(0, 0.3, (80, 4))
    together = labelled(learnt, truths, learnt, 80, (), 1.0)
    monkeypatch.setattr("danlu.evaluate.classical.linear._TOGETHER", 0)
    apart = labelled(learnt, truths, learnt, 80, (), 1.0)
    assert np.mean([one["label"] == other["label"] for one, other in zip(apart, together, strict=True)]) > 0.95
    assert all(sum(each["scores"].values()) == pytest.approx(1) for each in apart)
    two = labelled(learnt, [str(int(truth) % 2) for truth in truths], learnt, 80, (), 1.0)
    assert {tuple(each["scores"]) for each in two} == {("0", "1")}
