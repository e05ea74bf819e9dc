"""Texts that a model was not made for: scores against their formulas, and rates against scikit-learn and by hand."""

import numpy as np
import pytest
import torch
from scipy.special import logsumexp
from sklearn.metrics import roc_auc_score

from danlu.bundle.bundle import load
from danlu.evaluate.scoring.outside import auroc, passing, told_apart
from danlu.refusal import Refusal

INSIDE = [{"text": text} for text in ("这本书写得很好", "值得再读一遍", "物流太慢", "很好", "这本书物流太慢")]
OTHERS = [{"text": text} for text in ("读读读读读读", "慢", "一一一", "遍遍这这", "很好")]


def test_the_area_is_scikit_learns_and_the_rate_is_that_of_a_count():
    rng = np.random.default_rng(0)
    inside, outside = rng.normal(1, 1, 300).round(1), rng.normal(0, 1, 200).round(1)  # many are equal
    truth = np.r_[np.ones(300), np.zeros(200)]
    assert auroc(inside, outside) == pytest.approx(roc_auc_score(truth, np.r_[inside, outside]))
    shares = [(outside >= least).mean() for least in sorted(set(inside)) if (inside >= least).mean() >= 0.95]
    assert passing(inside, outside) == min(shares)
    assert passing(np.arange(20.0), np.array([0.0, 1.0, 5.0])) == pytest.approx(2 / 3)


def test_energy_is_the_logarithm_of_the_sum_of_exponentiated_logits(tiny_bundle):
    for kind in ("classify", "multilabel", "relate"):
        bundle = load(tiny_bundle(kind))
        task = bundle.task
        record = {name: value for name, value in task.sample[0].items() if name not in ("label", "labels", "text_pair")}
        raw, plain = (
            each.encode([record], bundle.tokenizer, 64, labelled=False) for each in (task.unnormalised(), task)
        )
        batch = task.collate(raw, len(raw[0]), bundle.tokenizer, np.random.default_rng(0))
        with torch.no_grad():
            logits = bundle.model(**batch.inputs).logits[0].numpy().astype(np.float64)
            energy = task.unnormalised().energy(task.unnormalised().answered(bundle.model, batch))
        expected = np.log1p(np.exp(logits)).sum() if kind == "multilabel" else logsumexp(logits)
        assert energy == pytest.approx(expected, rel=1e-4)
        assert len(plain) == len(raw)
        assert task.unnormalised().to_plain() == task.to_plain()


def test_a_bundle_tells_texts_apart_as_its_own_answers_say(tiny_bundle):
    bundle = load(tiny_bundle("classify"))
    found = told_apart(bundle.predictor, INSIDE, OTHERS, resamples=50).to_plain()
    assert (found["inside"], found["outside"], found["shared"]) == (4, 4, 2)
    assert list(found["scores"]) == ["energy", "probability", "entropy"]
    highest = [
        [max(each["scores"].values()) for each in bundle.predict([row for row in rows if row["text"] != "很好"])]
        for rows in (INSIDE, OTHERS)
    ]
    truth = [1] * 4 + [0] * 4
    assert found["scores"]["probability"]["auroc"]["value"] == pytest.approx(
        roc_auc_score(truth, highest[0] + highest[1])
    )
    for told in found["scores"].values():
        for each in told.values():
            assert each["low"] <= each["value"] <= each["high"]


@pytest.mark.parametrize(
    ("kind", "others", "words"),
    [
        ("tag", OTHERS, "those of the task tag have no probabilities; leave it out, or give a bundle of classify"),
        ("classify", INSIDE, "outside: all of its 5 texts stand in the test set too"),
        ("classify", [], "outside: there is no text to tell apart"),
    ],
)
def test_what_cannot_be_told_apart_is_refused_in_a_sentence(tiny_bundle, kind, others, words):
    with pytest.raises(Refusal, match=words):
        told_apart(load(tiny_bundle(kind)).predictor, INSIDE, others)
