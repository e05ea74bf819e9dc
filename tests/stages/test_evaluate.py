"""The stage that evaluates, and its commands, on tiny bundles."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from sklearn.metrics import accuracy_score
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

from danlu.bundle.bundle import load, save
from danlu.cli.main import main
from danlu.data.corpus.prepared import save_split
from danlu.evaluate.scoring.compare import compare
from danlu.evaluate.scoring.examine import examine, read_lines, read_scores, write
from danlu.refusal import Refusal
from danlu.stages.kinds.evaluate import Evaluate
from danlu.stages.stage import Place
from danlu.task.task import Task
from danlu.text.tokenizing.tokenizer import TokenizerSource

WORDS = {"good": ["很好", "喜欢", "满意"], "bad": ["很差", "失望", "破损"]}


def opinions(number: int, seed: int) -> list[dict[str, str]]:
    rng = np.random.default_rng(seed)
    labels = rng.choice(["bad", "good"], number).tolist()
    return [{"text": f"第{rng.integers(999)}本书{rng.choice(WORDS[label])}", "label": label} for label in labels]


def bundle_in(folder: Path, kind: str = "classify") -> Path:
    tokenizer = TokenizerSource.model_validate({"kind": "wordpiece", "size": 300, "min_frequency": 1}).build(
        lambda: iter(row["text"] for row in opinions(50, 0))
    )
    task = Task.model_validate({"kind": kind, **({"labels": ["bad", "good"]} if kind == "classify" else {})})
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        pad_token_id=tokenizer.pad_token_id,
    )
    config.update(task.config())
    torch.manual_seed(3)
    model = (BertForSequenceClassification if kind == "classify" else BertForMaskedLM)(config)
    save(folder, model, tokenizer, task, precision="float32", provenance={}, examples=opinions(2, 0))
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with prepared data and a bundle."""
    folder = tmp_path_factory.mktemp("runs") / "books"
    train, test = opinions(300, 1), opinions(80, 2)
    (folder / "clean").mkdir(parents=True)
    save_split(folder / "clean", "train", train)
    save_split(folder / "clean", "test", test)
    bundle_in(folder / "finetune" / "bundle")
    bundle_in(folder / "pretrain" / "bundle", "masked_lm")
    return folder


def place(run: Path, folder: Path, said: list[str] | None = None, language: str = "en") -> Place:
    inputs = {name: run / name for name in ("clean", "finetune", "pretrain")}
    return Place(folder, inputs, "f" * 64, 0, language, (said if said is not None else []).append)


@pytest.mark.parametrize("one", ["test", "train"])
def test_data_of_one_class_are_scored_and_the_labels_that_count_are_told(run, tmp_path, one):
    said: list[str] = []
    whole = {"train": opinions(60, 1), "test": opinions(40, 2)}
    data = whole | {"test": [row | {"label": "good"} for row in whole["test"]]}
    if one == "train":
        data |= {"train": [row | {"label": "good"} for row in whole["train"]]}
    (tmp_path / "clean").mkdir()
    for split, records in data.items():
        save_split(tmp_path / "clean", split, records)
    inputs = {"clean": tmp_path / "clean", "finetune": run / "finetune"}
    Evaluate(bundle="@finetune", data="@clean:test").run(
        Place(tmp_path / "out", inputs, "f" * 64, 0, "en", said.append)
    )
    scores = read_scores(tmp_path / "out")
    answers = {each["label"] for each in load(run / "finetune").predict(data["test"])}
    assert scores["absent"] == sorted({"bad"} - answers)
    assert any("neither in the truth nor in the answers: bad" in line for line in said) == bool(scores["absent"])
    if one == "train":
        assert scores["baseline"]["metrics"]["macro_f1"]["value"] == 1.0


def test_scores_errors_and_answers_are_written_and_told(run, tmp_path):
    said = []
    Evaluate(bundle="@finetune", data="@clean:test").run(place(run, tmp_path, said))
    scores, errors = read_scores(tmp_path), list(read_lines(tmp_path / "errors.jsonl"))
    test = opinions(80, 2)
    answers = [each["label"] for each in load(run / "finetune").predict(test)]
    assert scores["records"] == 80
    assert scores["task"] == "classify"
    assert scores["metrics"]["accuracy"]["value"] == pytest.approx(
        accuracy_score([row["label"] for row in test], answers)
    )
    assert scores["baseline"]["kind"] == "tfidf"
    assert scores["baseline"]["metrics"]["accuracy"]["value"] == 1.0
    assert np.sum(scores["confusion"]["matrix"]) == 80
    wrong = sum(row["label"] != answer for row, answer in zip(test, answers, strict=True))
    assert len(errors) == wrong > 0
    sure = [error["confidence"] for error in errors]
    assert sure == sorted(sure, reverse=True)
    assert sure[0] == pytest.approx(errors[0]["prediction"]["scores"][errors[0]["prediction"]["label"]])
    assert {"record", "gold", "prediction", "confidence"} <= errors[0].keys()
    assert len(list(read_lines(tmp_path / "answers.jsonl"))) == 80
    assert said[0] == "80 records"
    assert any("F1 (macro)" in line and " – " in line for line in said)


def test_a_stage_alone_means_its_test_split_and_the_same_work_gives_the_same_scores(run, tmp_path):
    for name, data in (("a", "@clean"), ("b", "@clean:test")):
        Evaluate(bundle=str(run / "finetune"), data=data).run(place(run, tmp_path / name))
    assert (tmp_path / "a/scores.json").read_bytes() == (tmp_path / "b/scores.json").read_bytes()
    assert Evaluate(bundle="@finetune", data="@clean").inputs() == []
    assert Evaluate(bundle="some/bundle", data="@clean").inputs() == ["some/bundle"]


def test_a_file_has_no_training_split_so_there_is_no_baseline(run, tmp_path):
    file = tmp_path / "test.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in opinions(20, 3)), encoding="utf-8")
    said = []
    section = {"bundle": "@finetune", "data": {"kind": "jsonl", "path": str(file)}}
    Evaluate.model_validate(section).run(place(run, tmp_path / "out", said))
    assert read_scores(tmp_path / "out")["baseline"] is None
    assert said[0].startswith("no baseline")
    with pytest.raises(Refusal, match="'tfidf' learns from the training split, and 'data' has none"):
        Evaluate.model_validate({**section, "baseline": {"kind": "tfidf"}}).run(place(run, tmp_path / "no"))
    assert not (tmp_path / "no").exists()


def test_records_that_were_learnt_are_told_as_such_and_no_baseline_is_asked_them(run, tmp_path, capsys):
    section = {"bundle": "@finetune", "data": "@clean:train"}
    said = []
    Evaluate.model_validate(section).run(place(run, tmp_path / "out", said))
    assert read_scores(tmp_path / "out")["baseline"] is None
    assert any(line.startswith("these records are the training split") for line in said)
    Evaluate.model_validate({**section, "data": "@clean:test"}).run(place(run, tmp_path / "other", other := []))
    assert not any("training split" in line for line in other)
    Evaluate.model_validate({**section, "baseline": {"kind": "tfidf"}}).run(place(run, tmp_path / "asked"))
    assert read_scores(tmp_path / "asked")["baseline"]["kind"] == "tfidf"
    for split in ("train", "test"):
        with pytest.raises(SystemExit):
            main(["evaluate", str(run / "finetune/bundle"), str(run / "clean"), "--split", split])
        out = capsys.readouterr()
        assert ("these records are the training split" in out.out + out.err) is (split == "train")
        assert ("tfidf" in out.out + out.err) is (split == "test")


def test_a_chosen_baseline_with_settings_is_used(run, tmp_path):
    section = {"bundle": "@finetune", "data": "@clean", "baseline": {"kind": "tfidf", "longest": 1}}
    stage = Evaluate.model_validate(section)
    assert Evaluate.model_validate(stage.to_plain()) == stage
    stage.run(place(run, tmp_path))
    assert read_scores(tmp_path)["baseline"]["kind"] == "tfidf"


def test_language_models_are_scored_by_perplexity(run, tmp_path):
    Evaluate(bundle="@pretrain", data="@clean").run(place(run, tmp_path))
    perplexity = read_scores(tmp_path)["metrics"]["perplexity"]
    assert (
        100 < perplexity["low"] < perplexity["value"] < perplexity["high"] < 1000
    )  # an untrained model of 100+ pieces
    assert read_scores(tmp_path)["confusion"] is None


def test_an_unknown_label_in_the_test_data_leaves_nothing_behind(run, tmp_path):
    file = tmp_path / "test.jsonl"
    file.write_text('{"text": "很好", "label": "good"}\n{"text": "还行", "label": "so-so"}\n', encoding="utf-8")
    stage = Evaluate.model_validate({"bundle": "@finetune", "data": {"kind": "jsonl", "path": str(file)}})
    with pytest.raises(Refusal, match=r"Record 2 has the gold label 'so-so'.* knows: bad, good"):
        stage.run(place(run, tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_missing_split_is_refused(run, tmp_path):
    with pytest.raises(Refusal, match="validation"):
        Evaluate(bundle="@finetune", data="@clean:validation").run(place(run, tmp_path))


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_the_commands_evaluate_and_compare(run, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("DANLU_LANGUAGE", "en")
    for name in ("one", "two"):
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", str(run / "finetune"), str(run / "clean"), "--output", str(tmp_path / name)])
        assert ended.value.code == 0
    assert "tfidf" in capsys.readouterr().out
    with pytest.raises(SystemExit) as ended:
        main(["compare", str(tmp_path / "one"), str(tmp_path / "two")])
    assert ended.value.code == 0
    out = capsys.readouterr().out
    assert "same records" in out
    assert "may be chance" in out
    assert "there are no scores here" in refused(["compare", str(tmp_path), str(tmp_path / "two")], capsys)
    assert "holds no scores" in refused(["compare", str(run / "finetune/bundle"), str(tmp_path / "two")], capsys)


def test_comparison_is_paired_on_equal_records_and_wide_on_others(run, tmp_path):
    task, records = Task.model_validate({"kind": "classify", "labels": ["bad", "good"]}), opinions(200, 5)

    def guesses(wrong_every):
        def predict(rows):
            flip = {"good": "bad", "bad": "good"}
            return [
                {"label": flip[row["label"]] if place % wrong_every == 0 else row["label"], "scores": {}}
                for place, row in enumerate(rows)
            ]

        return predict

    write(tmp_path / "worse", examine(task, guesses(3), records))
    write(tmp_path / "better", examine(task, guesses(6), records))
    write(tmp_path / "other", examine(task, guesses(6), opinions(200, 6)))
    same, apart = compare(tmp_path / "worse", tmp_path / "better"), compare(tmp_path / "worse", tmp_path / "other")
    assert (same.paired, apart.paired) == (True, False)
    one, two = same.metrics[-1].difference, apart.metrics[-1].difference
    assert one.value == pytest.approx(two.value) == pytest.approx(33 / 200, abs=0.01)
    assert one.high - one.low < two.high - two.low
    assert same.metrics[-1].better is True
    assert compare(tmp_path / "better", tmp_path / "worse").metrics[-1].better is False
    assert compare(tmp_path / "worse", tmp_path / "worse" / "scores.json").metrics[-1].better is None


def test_other_metrics_are_measured_where_they_are_asked_for(run, tmp_path, capsys):
    section = {"bundle": "@finetune", "data": "@clean", "metrics": ["auc", "accuracy"], "resamples": 100}
    Evaluate.model_validate(section).run(place(run, tmp_path / "stage"))
    scores = read_scores(tmp_path / "stage")
    assert [*scores["metrics"]] == [*scores["baseline"]["metrics"]] == ["macro_f1", "accuracy", "auc"]
    assert (scores["form"], scores["task"]) == ("label", "classify")
    with pytest.raises(ValidationError, match="there is no metric 'acuracy'; did you mean 'accuracy'"):
        Evaluate.model_validate(section | {"metrics": ["acuracy"]})
    words = ["evaluate", str(run / "finetune"), str(run / "clean"), "--resamples", "100"]
    with pytest.raises(SystemExit):
        main([*words, "--metric", "auc", "--baseline", "none"])
    assert f"{scores['metrics']['auc']['value']:.3f}" in capsys.readouterr().out
    assert "measures answers of the form number, and these are of the form label" in refused(
        [*words, "--metric", "mse"], capsys
    )


def test_slices_and_other_texts_are_asked_for_in_a_terminal_and_in_a_recipe(run, tmp_path, capsys):
    rows = [f"{row['text']},{row['label']}," for row in opinions(90, 5)]
    table = "".join(f"{row}{shop}\n" for row, shop in zip(rows, ("east", "west") * 45, strict=True))
    (tmp_path / "t.csv").write_text("text,label,shop\n" + table, encoding="utf-8")
    (tmp_path / "other.txt").write_text("天地玄黄\n宇宙洪荒\nabc\n", encoding="utf-8")
    words = ["evaluate", str(run / "finetune" / "bundle"), str(tmp_path / "t.csv"), "--resamples", "100"]
    with pytest.raises(SystemExit) as done:
        main([*words, "--slice", "shop", "--outside", str(tmp_path / "other.txt"), "--output", str(tmp_path / "out")])
    assert done.value.code == 0
    scores = read_scores(tmp_path / "out")
    assert {each["name"] for each in scores["slices"]["others"] if each["kind"] == "column"} == {"east", "west"}
    assert scores["outside"]["outside"] == 3
    assert scores["calibration"]["decisions"] == 90
    with pytest.raises(SystemExit) as done:
        main([*words, "--slice", "shpo"])
    assert done.value.code == 2
    assert "slices: no record has a column 'shpo'; did you mean 'shop'?" in capsys.readouterr().err
    again = Evaluate(bundle="@finetune", data="@clean", outside="@clean:test", slices="none", resamples=100)
    with pytest.raises(Refusal, match="outside: all of its 80 texts stand in the test set too"):
        again.run(place(run, tmp_path / "again"))
