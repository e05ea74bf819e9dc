"""Scores on disk, compared with each other."""

import json

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from danlu.evaluate.scoring.compare import compare
from danlu.evaluate.scoring.examine import examine, read_scores, write
from danlu.refusal import Refusal
from danlu.task.task import Task

WORDS = {"good": ["很好", "喜欢", "满意"], "bad": ["很差", "失望", "破损"]}


def opinions(number: int, seed: int) -> list[dict[str, str]]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(["bad", "good"], number).tolist()
    return [{"text": f"第{rng.integers(999)}本书{rng.choice(WORDS[label])}", "label": label} for label in labels]


@pytest.mark.parametrize("text", ["", "[]", '{"metrics": 3}', '{"metrics": {'])
def test_broken_scores_are_refused_in_a_sentence(tmp_path, text):
    (tmp_path / "scores.json").write_text(text, encoding="utf-8")
    with pytest.raises(Refusal, match="evaluate again"):
        read_scores(tmp_path)


def test_scores_without_a_common_metric_are_refused(tmp_path):
    for name, metric in (("a", "accuracy"), ("b", "perplexity")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "scores.json").write_text(json.dumps({"metrics": {metric: {}}}), encoding="utf-8")
    with pytest.raises(Refusal, match="no metric in common"):
        compare(tmp_path / "a", tmp_path / "b")


def classified(folder, shares, records, **settings):
    """An evaluation of a classifier that gives these probabilities of `good`."""
    task = Task.model_validate({"kind": "classify", "labels": ["bad", "good"]})
    said = [
        {"label": "good" if share >= 0.5 else "bad", "scores": {"bad": 1 - share, "good": share}} for share in shares
    ]
    write(folder, examine(task, lambda _: iter(said), records, resamples=100, **settings))
    return [record["label"] == "good" for record in records], np.array(shares)


def test_metrics_of_scores_are_compared_record_by_record_too(tmp_path):
    records, rng = opinions(300, 7), np.random.default_rng(8)
    right = np.array([record["label"] == "good" for record in records])
    noise = rng.normal(0, 0.5, 300)
    areas = {}
    for name, worse in (("one", 1.2), ("two", 1.0)):
        shares = 1 / (1 + np.exp(-(right - 0.5 + worse * noise)))
        truth, shares = classified(tmp_path / name, shares.tolist(), records, metrics=["auc"])
        areas[name] = roc_auc_score(truth, shares)
    found = {row.metric: row for row in compare(tmp_path / "one", tmp_path / "two", resamples=200).metrics}
    assert found["auc"].first.value == pytest.approx(areas["one"])
    assert found["auc"].second.value == pytest.approx(areas["two"])
    assert found["auc"].better is True


def test_scores_that_do_not_say_their_form_are_compared_by_that_of_their_task(tmp_path):
    records = opinions(60, 9)
    for name, flip in (("old", 0.3), ("new", 0.1)):
        shares = [
            0.9 if (row["label"] == "good") != (place % 10 < 10 * flip) else 0.1 for place, row in enumerate(records)
        ]
        classified(tmp_path / name, shares, records)
    whole = compare(tmp_path / "old", tmp_path / "new")
    file = tmp_path / "old" / "scores.json"
    scores = json.loads(file.read_text(encoding="utf-8"))
    form = scores.pop("form")
    file.write_text(json.dumps(scores), encoding="utf-8")
    assert form == "label"
    assert compare(tmp_path / "old", tmp_path / "new") == whole
    assert whole.paired
    file.write_text(json.dumps(scores | {"task": "gone"}), encoding="utf-8")
    with pytest.raises(Refusal, match="old: its 'form' of answers is not known here"):
        compare(tmp_path / "old", tmp_path / "new")
    file.write_text(json.dumps(scores | {"task": "tag"}), encoding="utf-8")
    with pytest.raises(Refusal, match=r"hold answers of other forms \(spans, label\)"):
        compare(tmp_path / "old", tmp_path / "new")
