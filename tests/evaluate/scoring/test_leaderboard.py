"""Leaderboards: records told apart, differences to the best, settings that differ; and p-values for many tests."""

import numpy as np
import pytest

from danlu.cli.main import main
from danlu.evaluate.reporting.board import boards_in_words, write_boards
from danlu.evaluate.scoring.compare import compare
from danlu.evaluate.scoring.examine import examine, write
from danlu.evaluate.scoring.leaderboard import holm, leaderboards
from danlu.recipe import lock
from danlu.refusal import Refusal
from danlu.stages.kinds.evaluate import Evaluate
from danlu.stages.kinds.prepare import Prepare
from danlu.task.task import Task

TASK = Task.model_validate({"kind": "classify", "labels": ["bad", "good"]})


def evaluated(folder, wrong, count=200, first=0):
    """An evaluation of so many records, of which the first ones are answered wrongly."""
    records = [{"text": f"text {place}", "label": "good"} for place in range(first, first + count)]
    labels = ["bad" if place < wrong else "good" for place in range(count)]
    said = [{"label": label, "scores": {"bad": 0.2, "good": 0.2, label: 0.8}} for label in labels]
    write(folder, examine(TASK, lambda _: said, records, metrics=["nll"], resamples=100))
    return folder


def locked(folder, stage, section, stages=None):
    folder.mkdir(parents=True, exist_ok=True)
    found = lock.lock(stage, section, 0, stages or {})
    lock.save(folder, found.done(1.0, folder))
    return found.fingerprint


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    for name, wrong, path in (("one", 60, "a.csv"), ("two", 20, "b.csv"), ("three", 22, "a.csv")):
        built = locked(
            folder / name / "model", "model", Prepare.model_validate({"data": {"kind": "csv", "path": path}})
        )
        evaluated(folder / name / "test", wrong)
        locked(folder / name / "test", "test", Evaluate(bundle="@model", data="@clean"), {"model": built})
    evaluated(folder / "one" / "other", 3, count=50, first=1000)
    return folder


def test_of_many_results_only_those_are_read_that_an_evaluation_builds_on(runs, tmp_path, monkeypatch):
    section = Prepare.model_validate({"data": {"kind": "csv", "path": "a.csv"}})
    built = locked(tmp_path / "model.made", "model", section)
    (tmp_path / "model.made").rename(tmp_path / f"model.{built[:12]}")
    for number in range(20):
        other = section.model_copy(update={"text": f"column {number}"})
        print_ = locked(tmp_path / "model", "model", other)
        (tmp_path / "model").rename(tmp_path / f"model.{print_[:12]}")
    evaluated(tmp_path / "test", 3)
    locked(tmp_path / "test", "test", Evaluate(bundle="@model", data="@clean"), {"model": built})
    read = []
    monkeypatch.setattr(lock, "load", lambda folder, load=lock.load: read.append(folder.name) or load(folder))
    ((place,),) = [board.places for board in leaderboards([tmp_path], resamples=100)]
    assert place.entry.settings["model.data.path"] == "a.csv"
    assert read == ["test", "model", f"model.{built[:12]}"]


def test_evaluations_of_the_same_records_stand_together_the_best_first(runs):
    board, other = leaderboards([runs], resamples=400, metric="accuracy")
    assert [place.entry.folder.parent.name for place in board.places] == ["two", "three", "one"]
    assert [place.entry.folder.name for place in other.places] == ["other"]
    best, near, far = board.places
    assert (best.behind, best.p, best.worse) == (None, None, False)
    assert near.behind.value == pytest.approx(-0.01)
    assert not near.worse
    assert far.worse
    assert board.records == 200
    paired = compare(best.entry.folder, far.entry.folder, resamples=400).metrics[1]
    assert far.behind == paired.difference
    assert far.p >= paired.p
    assert board.differing == ["model.data.path"]
    by_loss = leaderboards([runs], "nll", resamples=100)[0]
    assert [place.entry.folder.parent.name for place in by_loss.places] == ["two", "three", "one"]
    assert by_loss.places[-1].behind.value > 0  # more is worse


def test_it_is_told_in_a_terminal_and_on_a_page_in_both_languages(runs, tmp_path, monkeypatch, capsys):
    boards = leaderboards([runs], "accuracy", resamples=100)
    assert any("b.csv" in line for line in boards_in_words(boards, "en"))
    for language, words in (("en", "the best first"), ("zh", "最好的在前")):
        write_boards(tmp_path / "board.html", boards, language)
        text = (tmp_path / "board.html").read_text(encoding="utf-8")
        assert words in text
        assert "b.csv" in text
        assert "<script" not in text
    monkeypatch.setenv("DANLU_LANGUAGE", "zh")
    with pytest.raises(SystemExit) as done:
        main(
            [
                "leaderboard",
                str(runs / "one"),
                str(runs / "two"),
                "--resamples",
                "100",
                "--page",
                str(tmp_path / "b.html"),
            ]
        )
    assert done.value.code == 0
    assert "落后于最好" in capsys.readouterr().out
    assert (tmp_path / "b.html").is_file()


def test_holms_p_values_are_those_of_the_paper_and_keep_their_order():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    rng = np.random.default_rng(0)
    false = sum(min(holm(rng.random(20).tolist())) <= 0.05 for _ in range(1000))
    assert 25 <= false <= 75


@pytest.mark.parametrize(
    ("prepare", "metric", "words"),
    [
        (lambda folder: None, None, "there is no such folder"),
        (
            lambda folder: folder.mkdir(),
            None,
            "there is no evaluation here; run a recipe with a stage of kind 'evaluate'",
        ),
        (
            lambda folder: evaluated(folder, 3, count=20),
            "auc",
            "metric 'auc': no evaluation here has it; they have: accuracy, macro_f1, nll",
        ),
        (
            lambda folder: evaluated(folder, 3, count=20),
            "acuracy",
            "there is no metric 'acuracy'; did you mean 'accuracy'",
        ),
    ],
)
def test_what_cannot_be_ordered_is_refused_in_a_sentence(tmp_path, prepare, metric, words):
    prepare(tmp_path / "run")
    with pytest.raises(Refusal, match=words):
        leaderboards([tmp_path / "run"], metric)
