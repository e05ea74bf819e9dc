"""Calibrated probabilities: the answers stay, and the temperature is the one that the records were drawn with."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from danlu.bundle.bundle import load, save
from danlu.refusal import Refusal
from danlu.stages.kinds.train import Train
from danlu.stages.stage import Place
from danlu.task.calibrated import FEWEST, best_temperature, tempered
from danlu.task.task import Task

LABELS = ("a", "b", "c")
NUMBERS = some.one_of(some.sampled_from([0.0, 1.0, -3.0]), some.floats(-40, 40, width=32))  # many are equal
ROWS = some.lists(some.lists(NUMBERS, min_size=3, max_size=3), min_size=1, max_size=3)
TEMPERATURES = some.floats(0.05, 20)


def classify(**fields):
    return Task.model_validate({"kind": "classify", "labels": LABELS, **fields})


def drawn(count, temperature, seed=0, classes=3):
    """Log-probabilities of logits, and truths that are drawn from those logits divided by a temperature."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (count, classes))
    shares = tempered(logits, temperature)
    truths = (shares.cumsum(1) < rng.random(count)[:, None]).sum(1)
    return log_softmax(logits, 1).astype(np.float32), np.minimum(truths, classes - 1)


@given(ROWS, TEMPERATURES)
def test_no_temperature_changes_the_label_of_an_answer_or_the_order_of_labels(rows, temperature):
    outputs = [log_softmax(np.array(row, np.float32)) for row in rows]
    plain, told = (classify(**each).decode(outputs, [], {}) for each in ({}, {"temperature": temperature}))
    assert told["label"] == plain["label"]
    assert told["scores"][told["label"]] == max(told["scores"].values())
    assert sum(told["scores"].values()) == pytest.approx(1)
    for one in LABELS:
        for other in LABELS:
            if plain["scores"][one] < plain["scores"][other]:
                assert told["scores"][one] <= told["scores"][other] * (1 + 1e-12)


@given(ROWS, TEMPERATURES, some.floats(0.01, 0.99))
def test_no_temperature_changes_which_labels_are_given(rows, temperature, threshold):
    outputs = [-np.logaddexp(0, -np.array(row, np.float32)) for row in rows]
    task = {"kind": "multilabel", "labels": LABELS, "threshold": threshold}
    plain, told = (
        Task.model_validate(task | each).decode(outputs, [], {}) for each in ({}, {"temperature": temperature})
    )
    assert told["labels"] == plain["labels"]
    for label in LABELS:
        share = plain["scores"][label]
        odds = np.log(share) - np.log1p(-share) if 1e-9 < share < 1 - 1e-9 else None
        if odds is not None:
            assert told["scores"][label] == pytest.approx(1 / (1 + np.exp(-odds / temperature)), rel=1e-6)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_truths_were_drawn_with_is_found(temperature):
    logs, truths = drawn(4000, temperature)
    found = best_temperature(logs.astype(np.float64), truths)
    assert found == pytest.approx(temperature, rel=0.07)


def test_the_temperature_is_that_of_the_least_loss():
    logs, truths = drawn(200, 1.7, seed=3, classes=5)
    logs = logs.astype(np.float64)
    wanted = np.full(logs.shape, 1 / 202 / 4)
    wanted[np.arange(200), truths] = 201 / 202

    def loss(sharpness):
        return -(wanted * log_softmax(logs * sharpness, 1)).sum()

    best = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9})
    assert best_temperature(logs, truths) == pytest.approx(1 / best.x, rel=1e-4)


def test_where_all_answers_are_right_the_model_does_not_become_certain():
    logs = log_softmax(np.tile([[2.0, 0.0]], (100, 1)), 1)
    shares = tempered(logs, best_temperature(logs, np.zeros(100, np.int64)))
    assert shares[0] == pytest.approx([101 / 102, 1 / 102], rel=1e-4)


def said_of(logs):
    return (([row], []) for row in logs)


def test_a_task_is_settled_with_its_temperature_and_keeps_one_that_was_given():
    logs, truths = drawn(400, 2.0)
    records = [{"text": "x", "label": LABELS[truth]} for truth in truths]
    settled = classify(calibrate=True).settled(records, said_of(logs))
    assert settled.temperature == pytest.approx(2.0, rel=0.25)
    assert Task.model_validate(settled.to_plain()) == settled
    assert classify(calibrate=True, temperature=3.0).settled(records, said_of(logs)).temperature == 3
    untouched = said_of(logs)
    assert classify().settled(records, untouched).temperature is None
    assert len(list(untouched)) == 400


def test_labels_that_are_decided_by_themselves_share_a_temperature():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 4, (500, 3))
    there = rng.random((500, 3)) < 1 / (1 + np.exp(-logits / 2))
    records = [
        {"text": "x", "labels": [name for name, is_there in zip(LABELS, row, strict=True) if is_there]} for row in there
    ]
    task = Task.model_validate({"kind": "multilabel", "labels": LABELS, "calibrate": True})
    settled = task.settled(records, said_of(-np.logaddexp(0, -logits).astype(np.float32)))
    assert settled.temperature == pytest.approx(2.0, rel=0.12)


@pytest.mark.parametrize("kind", ["classify", "multilabel", "relate"])
def test_too_few_validation_records_are_refused_before_a_training(kind, tmp_path):
    task = {"kind": kind, "calibrate": True}
    with pytest.raises(
        Refusal, match=rf"task.calibrate fits a temperature on validation records, and there are 7; give {FEWEST}"
    ):
        Task.model_validate(task).settles_on(7)
    Task.model_validate(task).settles_on(FEWEST)
    Task.model_validate(task | {"temperature": 1.5}).settles_on(0)
    Task.model_validate(kind).settles_on(0)


def test_the_stage_asks_for_validation_data_before_it_opens_a_model(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\n" + "很好,good\n很差,bad\n" * 20, encoding="utf-8")
    section = {
        "data": {"kind": "csv", "path": str(tmp_path / "train.csv")},
        "model": {"kind": "pretrained", "path": str(tmp_path / "none")},
        "task": {"kind": "classify", "calibrate": True},
    }
    place = Place(tmp_path / "out", {}, "f" * 64, 0, "en", print)
    with pytest.raises(Refusal, match=r"task.calibrate fits a temperature on validation records, and there are 0"):
        Train.model_validate(section).ready(place)


def test_a_bundle_keeps_its_temperature_and_answers_with_it(tiny_bundle, tmp_path):
    plain = load(tiny_bundle("classify"))
    record = {"text": "这本书写得很好"}
    task = plain.task.model_copy(update={"temperature": 0.2})
    save(
        tmp_path / "b",
        plain.network.model,
        plain.tokenizer,
        task,
        precision="float32",
        provenance={},
        examples=[record],
    )
    warm = load(tmp_path / "b")
    (before,), (after,) = plain.predict([record]), warm.predict([record])
    assert warm.task.temperature == 0.2
    assert after["label"] == before["label"]
    names = list(before["scores"])
    expected = np.array([before["scores"][name] for name in names]) ** 5
    assert [after["scores"][name] for name in names] == pytest.approx(expected / expected.sum(), rel=1e-5)
