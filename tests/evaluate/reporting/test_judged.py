"""What the report and the terminal say of calibration, weak slices, other texts and bits per byte."""

import json

import numpy as np
import pytest

from danlu.evaluate.reporting.judged import judged_in_words, p_value
from danlu.evaluate.reporting.report import write_report
from danlu.evaluate.scoring.examine import examine, read_scores, write
from danlu.language import translator
from danlu.recipe import lock
from danlu.stages.kinds.evaluate import Evaluate
from danlu.task.task import Task

WORDS = {
    "en": (
        "Calibration",
        "Weak slices",
        "with the word “refund”",
        "by length",
        "Brier score",
        "bits per byte: 1.500",
        "AUROC",
    ),
    "zh": ("校准", "薄弱切片", "含“refund”一词", "按长度", "Brier 分数", "每字节比特数：1.500", "AUROC"),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run whose evaluation is weak where a text speaks of a refund."""
    folder = tmp_path_factory.mktemp("run") / "r" / "test"
    rng = np.random.default_rng(0)
    task = Task.model_validate({"kind": "classify", "labels": ["bad", "good"]})
    records = [
        {"text": f"text {'refund' if place % 10 == 0 else ''} {'long ' * (place % 7)}", "label": "good"}
        for place in range(600)
    ]
    wrong = rng.random(600) < np.where(np.arange(600) % 10 == 0, 0.7, 0.05)
    shares = rng.uniform(0.6, 1, 600)
    said = [
        {
            "label": "bad" if is_wrong else "good",
            "scores": {"bad": share if is_wrong else 1 - share, "good": 1 - share if is_wrong else share},
        }
        for is_wrong, share in zip(wrong, shares, strict=True)
    ]
    write(folder, examine(task, lambda _: said, records, resamples=100))
    interval = {"value": 1.5, "low": 1.4, "high": 1.6}
    scores = read_scores(folder)
    told = {name: {"auroc": interval, "fpr95": interval} for name in ("energy", "probability", "entropy")}
    scores |= {
        "bits_per_byte": interval | {"bytes": 1234},
        "outside": {"inside": 5, "outside": 7, "shared": 0, "scores": told},
    }
    (folder / "scores.json").write_text(json.dumps(scores), encoding="utf-8")
    lock.save(folder, lock.lock("test", Evaluate(bundle="b", data="@clean"), 0, {}).done(1.0, folder))
    return folder.parent


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_report_and_the_terminal_tell_of_all_of_it_in_both_languages(run, language):
    text = write_report(run, language).read_text(encoding="utf-8")
    lines = "\n".join(judged_in_words(read_scores(run / "test"), translator(language)))
    for words in WORDS[language]:
        assert words in text, words
    for words in (*WORDS[language][2:3], *WORDS[language][5:]):
        assert words in lines, words
    assert text.count("<circle") >= 5  # of the reliability plot


def test_scores_without_any_of_it_say_nothing_of_it():
    assert judged_in_words({"records": 3, "metrics": {}, "calibration": None, "slices": None}, translator("en")) == []
    assert [p_value(p) for p in (0.0002, 0.0421, 1.0)] == ["< 0.001", "0.042", "1.000"]
