"""Scores, intervals, worst errors and answers are those that were written before answers had forms, digit for digit."""

import json
from pathlib import Path

import numpy as np
import pytest

from danlu.evaluate.scoring.examine import examine, write
from danlu.task.task import Task

KEPT = json.loads(Path(__file__).with_name("kept_scores.json").read_text(encoding="utf-8"))
LABELS = ["a", "b", "c", "d", "never"]
METRICS = {"classify": ("macro_f1", "accuracy", "precision", "recall", "micro_f1")}


class Answered:
    """A baseline that has learnt its answers by heart."""

    kind = "tfidf"

    def __init__(self, predictions):
        self.predictions = predictions

    def fit_predict(self, task, train, test):
        return self.predictions


def labelled(number, rng):
    records = [{"text": f"text {row}", "label": label} for row, label in enumerate(rng.choice(LABELS[:4], number))]
    sides = []
    for right in (0.8, 0.7):
        kept = rng.random(number) < right
        guess = np.where(kept, [record["label"] for record in records], rng.choice(LABELS[:3], number)).tolist()
        sides.append([{"label": label, "scores": {label: float(rng.random())}} for label in guess])
    return records, *sides


def marked(number, rng):
    def spans():
        starts = np.flatnonzero(rng.random(10) < 0.2).tolist()
        return [{"start": 2 * place, "end": 2 * place + 1, "label": str(rng.choice(LABELS[:3]))} for place in starts]

    def seen(entities):
        found = [entity for entity in entities if rng.random() < 0.8] + [span for span in spans() if rng.random() < 0.2]
        return {"entities": [entity | {"text": "x", "score": float(rng.random())} for entity in found]}

    records = [{"text": "x" * 20, "entities": spans()} for _ in range(number)]
    return records, *([seen(record["entities"]) for record in records] for _ in range(2))


def likely(number, rng):
    def said():
        tokens = rng.integers(0, 50, number).tolist()
        return [
            {"negative_log_likelihood": float(count * (2 + rng.random())), "tokens": count, "perplexity": None}
            for count in tokens
        ]

    return [{"text": f"text {row}"} for row in range(number)], said(), said()


CASES = {
    "classify": (labelled, {"labels": LABELS}, 3000),
    "classify few": (labelled, {"labels": LABELS}, 40),
    "tag": (marked, {"labels": LABELS}, 1500),
    "causal_lm": (likely, {}, 2500),
    "masked_lm": (likely, {}, 2500),
}


def found_in(case, folder):
    made, fields, number = CASES[case]
    kind = case.split()[0]
    records, ours, theirs = made(number, np.random.default_rng(number))
    task = Task.model_validate({"kind": kind, **fields})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(task), "metrics", METRICS.get(kind, task.metrics))
        rival = Answered(theirs) if kind != "masked_lm" else None
        write(folder, examine(task, lambda _: ours, records, baseline=rival, errors=12, seed=3))
    lines = {
        name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()]
        for name in ("errors", "answers")
    }
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    return {"scores": scores, "errors": lines["errors"], "answers": lines["answers"][:20]}


def alike(found, kept):
    """Whether all is the same, numbers but for the order in which threads add them up."""
    if isinstance(kept, dict):
        return found.keys() == kept.keys() and all(alike(found[key], kept[key]) for key in kept)
    if isinstance(kept, list):
        return len(found) == len(kept) and all(map(alike, found, kept))
    return found == (pytest.approx(kept, rel=1e-12, nan_ok=True) if isinstance(kept, float) else kept)


@pytest.mark.parametrize("case", CASES)
def test_the_same_answers_get_the_same_scores(case, tmp_path):
    found = found_in(case, tmp_path)
    assert found["scores"].keys() >= KEPT[case]["scores"].keys()
    for key, kept in KEPT[case]["scores"].items():
        assert alike(found["scores"][key], kept), key
    assert found["errors"] == KEPT[case]["errors"]
    assert found["answers"] == KEPT[case]["answers"]
