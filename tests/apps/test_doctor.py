"""The doctor: what it tells is what a run does, it leaves nothing behind, and what would stop a run is told."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from danlu.apps.doctor import Checked, DataFacts, TrainingFacts, diagnose
from danlu.apps.doctor_page import write_page
from danlu.apps.doctor_words import warnings_of_data, warnings_of_training
from danlu.cli.check import in_colour, outlooks
from danlu.cli.main import main
from danlu.evaluate.reporting.wording import duration
from danlu.language import translator
from danlu.stages.kinds.continual import Continual
from danlu.stages.kinds.teach import Teach
from danlu.stages.recipe import read
from danlu.stages.run import run
from danlu.task.readable import Piece, Row

GOOD, BAD = "喜欢满意精彩推荐", "失望糟糕退货难看"
SCRATCH = {"kind": "scratch", "layers": 1, "width": 32, "heads": 2, "positions": 48}


def recipe(folder: Path, **stages: Any) -> dict[str, Any]:
    rows = [
        f"第{chr(0x4E00 + n * 7)}{chr(0x5E00 + n * 11)}次买，{GOOD[n % 8 : n % 8 + 2]}。\tgood" for n in range(60)
    ] + [f"{chr(0x6E00 + n * 5)}{chr(0x7000 + n * 3)}{BAD[n % 7 : n % 7 + 2]}，不好\tbad" for n in range(60)]
    path = folder / "reviews.tsv"
    path.write_text("text\tlabel\n" + "\n".join(rows) + "\n", encoding="utf-8")
    clean = {"kind": "prepare", "data": {"kind": "tsv", "path": str(path)}, "split": {"validation": 0.1, "test": 0.1}}
    vocab = {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 60}}
    return {"name": "tiny", "stages": {"clean": clean, "vocab": vocab, **stages}}


def train(task: Any, **more: Any) -> dict[str, Any]:
    section = {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": SCRATCH, "task": task}
    return section | {"train": {"steps": 6, "batch_tokens": 128, "precision": "float32"}} | more


PRETRAIN = train({"kind": "masked_lm", "max_length": 16})
FINETUNE = train(
    {"kind": "classify", "max_length": 8, "too_long": "truncate"}, model={"kind": "pretrained", "path": "@pretrain"}
)
del FINETUNE["tokenizer"]


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Checked]:
    folder = tmp_path_factory.mktemp("doctor")
    checked = read(recipe(folder, pretrain=PRETRAIN, finetune=FINETUNE))
    found = {item.planned.name: item for item in diagnose(checked, folder / "runs")}
    assert not (folder / "runs").exists()
    return found


def test_data_and_training_are_told_before_anything_has_run(found: dict[str, Checked]) -> None:
    data, pretrain, finetune = (found[name].found for name in ("clean", "pretrain", "finetune"))
    assert isinstance(data, DataFacts)
    assert isinstance(pretrain, TrainingFacts)
    assert isinstance(finetune, TrainingFacts)
    assert sum(data.rows.values()) == data.survey.nonempty_rows == 120
    assert data.labels["train"] == {"good": data.labels["train"]["good"], "bad": data.labels["train"]["bad"]}
    assert data.leaked == {"validation": (0.0, 0.0), "test": (0.0, 0.0)}
    assert pretrain.tokens.unknown_share > 0.1  # a vocabulary of 60 for hundreds of characters
    assert all(len(text) >= 1 for text in pretrain.tokens.unknown)
    assert finetune.records == data.rows["train"]
    assert finetune.dry.steps == 6
    assert finetune.dry.seconds > 0
    assert finetune.dry.bytes > 50e6
    assert 0 <= finetune.dry.padding < 0.5
    assert {row.label for row in finetune.batch} <= {"good", "bad"}


def test_what_is_cut_off_is_what_the_task_cuts_off(found: dict[str, Checked]) -> None:
    pretrain, finetune = found["pretrain"].found, found["finetune"].found
    assert isinstance(pretrain, TrainingFacts)
    assert isinstance(finetune, TrainingFacts)
    assert (pretrain.tokens.cut, pretrain.tokens.cut_records) == (0, 0)
    assert finetune.tokens.lengths.percentiles["100"] == finetune.tokens.limit == 8
    assert finetune.tokens.total + finetune.tokens.cut == pretrain.tokens.total
    told = warnings_of_training(finetune, translator("en"))
    assert any(f"{finetune.tokens.cut_records:,} records lose their ends" in sentence for sentence in told)
    assert any("unknown to the tokenizer" in sentence for sentence in told)


def test_where_memory_is_short_a_method_that_trains_fewer_weights_is_named(found: dict[str, Checked]) -> None:
    plain = found["finetune"].found
    assert isinstance(plain, TrainingFacts)
    assert plain.size.trained == plain.size.parameters
    short = replace(plain, dry=replace(plain.dry, room=plain.dry.bytes))
    few = replace(short, size=replace(plain.size, trained=1))
    said = [" ".join(warnings_of_training(each, translator("en"))) for each in (plain, short, few)]
    assert ["largest batch takes" in each for each in said] == [False, True, True]
    assert ["'tuning: lora' trains few of them" in each for each in said] == [False, True, False]


def test_the_same_steps_stand_in_a_run(tmp_path: Path) -> None:
    checked = read(recipe(tmp_path, finetune=train("classify", model=SCRATCH)))
    told = {item.planned.name: item.found for item in diagnose(checked, tmp_path / "runs")}
    said: list[str] = []
    run(checked, tmp_path / "runs", say=said.append)
    finetune = told["finetune"]
    assert isinstance(finetune, TrainingFacts)
    assert any(f"{finetune.dry.steps} steps, {finetune.dry.steps_an_epoch} in an epoch" in line for line in said)
    again = {item.planned.name: item for item in diagnose(checked, tmp_path / "runs")}
    assert again["clean"].found == told["clean"]
    assert again["finetune"].found is None  # it is done; there is nothing to foretell
    assert again["finetune"].planned.outlook == "skip"


@pytest.mark.parametrize(
    ("task", "data"),
    [
        ("causal_lm", {"text": "北京是首都，上海是港口。"}),
        ("tag", {"text": "李白", "entities": [{"start": 0, "end": 2, "label": "p"}]}),
    ],
)
def test_other_tasks_and_a_frozen_trunk_are_looked_at_too(tmp_path: Path, task: str, data: dict[str, Any]) -> None:
    path = tmp_path / "data.jsonl"
    lines = [data | {"text": data["text"] + chr(0x4E00 + n * 13) * 3} for n in range(40)]
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    plain = recipe(tmp_path, model=train(task, **({"tuning": "head"} if task == "tag" else {})))
    plain["stages"]["clean"]["data"] = {"kind": "jsonl", "path": str(path)}
    plain["stages"]["clean"] |= {"dedup": "none", "similarity": 1.0}
    if task == "causal_lm":
        plain["stages"]["model"]["model"] = SCRATCH | {"architecture": "gpt2"}
    found = {item.planned.name: item for item in diagnose(read(plain), tmp_path / "runs")}
    assert found["model"].refused is None
    training = found["model"].found
    assert isinstance(training, TrainingFacts)
    assert training.dry.seconds > 0
    assert any(piece.role == "learnt" for row in training.batch for piece in row.pieces)


def test_what_would_stop_a_run_is_told_and_the_rest_is_still_looked_at(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    long = train({"kind": "classify", "max_length": 8})
    late = train({"kind": "classify"}, tuning={"kind": "full", "unfreeze": 5})
    plain = recipe(tmp_path, long=long, pretrain=PRETRAIN, late=late)
    plain["stages"]["after"] = {"kind": "evaluate", "bundle": "@long", "data": "@clean:test"}
    found = {item.planned.name: item for item in diagnose(read(plain), tmp_path / "runs")}
    assert "a row takes 8" in (found["long"].refused or "")
    assert "tuning.unfreeze: 5 for each of the 2 layers below the head" in (found["late"].refused or "")
    assert found["pretrain"].found is not None
    assert (found["after"].found, found["after"].refused) == (None, None)
    import yaml

    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(plain, sort_keys=False), encoding="utf-8")
    with pytest.raises(SystemExit) as ended:
        main(
            ["check", str(tmp_path / "tiny.yaml"), "--root", str(tmp_path / "runs"), "--html", str(tmp_path / "a.html")]
        )
    assert ended.value.code == 1, capsys.readouterr().err
    said = capsys.readouterr().out
    assert "A run would stop here: record" in said
    assert "a run would stop at: " in said
    assert "nothing was found" not in said
    assert "A run would stop here: record" in (tmp_path / "a.html").read_text(encoding="utf-8")


def test_shards_and_checked_labels_are_made_for_the_trainings_that_read_them(tmp_path: Path) -> None:
    plain = recipe(
        tmp_path,
        shards={"kind": "shards", "data": "@clean", "tokenizer": "@vocab", "task": {"kind": "masked_lm"}},
        pretrain={**PRETRAIN, "data": "@shards", "task": {"kind": "masked_lm"}},
        kept={"kind": "labels", "data": "@clean", "drop": 0.1},
        finetune={**FINETUNE, "data": "@kept"},
        doubted={"kind": "labels", "data": "@clean", "bundle": "@finetune"},
    )
    found = {item.planned.name: item for item in diagnose(read(plain), tmp_path / "runs")}
    assert [item.refused for item in found.values()] == [None] * 7
    pretrain, finetune, clean = (found[name].found for name in ("pretrain", "finetune", "clean"))
    assert isinstance(pretrain, TrainingFacts)
    assert isinstance(finetune, TrainingFacts)
    assert isinstance(clean, DataFacts)
    assert pretrain.records == clean.rows["train"]
    assert finetune.records == clean.rows["train"] - round(0.1 * clean.rows["train"])
    assert found["doubted"].needs == "finetune"
    direct = recipe(tmp_path, pretrain=PRETRAIN)
    (read_at_once,) = (
        item.found for item in diagnose(read(direct), tmp_path / "runs") if item.planned.name == "pretrain"
    )
    assert isinstance(read_at_once, TrainingFacts)
    assert pretrain.tokens.unknown_share == pytest.approx(read_at_once.tokens.unknown_share)
    assert pretrain.tokens.total == read_at_once.tokens.total


def test_the_page_stands_alone_in_both_languages_and_escapes_what_data_holds(
    found: dict[str, Checked], tmp_path: Path
) -> None:
    for language in ("en", "zh"):
        path = tmp_path / f"{language}.html"
        write_page(path, "<tiny>", list(found.values()), dict.fromkeys(found, outlooks(language)["run"]), language)
        text = path.read_text(encoding="utf-8")
        assert "&lt;tiny&gt;" in text
        assert not re.search(r"<script|https?://(?!www\.w3\.org)", text)
        assert "[MASK]" in text
        assert 'class="learnt told"' in text
        assert 'scope="col">train<' not in text
        assert translator(language)("for validation") in text


def test_uneven_and_unseen_labels_and_leaks_are_warned_of(found: dict[str, Checked]) -> None:

    data = found["clean"].found
    assert isinstance(data, DataFacts)
    assert warnings_of_data(data, translator("en")) == []
    labels = {"train": {"a": 100, "b": 2}, "test": {"c": 1}}
    bad = replace(data, labels=labels, leaked={"test": (0.25, 0.5)})
    told = " ".join(warnings_of_data(bad, translator("en")))
    assert "'a' is 50 times as frequent as 'b'" in told
    assert "'c' occurs in test but never in training" in told
    assert "50.0% of the test rows, or texts like them, are in training too (25.0% word for word)" in told


def test_rows_in_colour_keep_every_character() -> None:
    row = Row((Piece("[CLS]", "special"), Piece("北", "learnt", "京"), Piece("海", "learnt")), "城", 2)
    text = in_colour(row, "+ {count} of padding")
    assert text.plain == "  城 [CLS]北⟨京⟩海 + 2 of padding"
    styles = {text.plain[span.start : span.end]: str(span.style) for span in text.spans}
    assert (styles["北"], styles["⟨京⟩"], styles["海"]) == ("bold magenta", "red", "green")


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "0 s"), (0.42, "0.4 s"), (12, "12 s"), (120, "2 min"), (9000, "2.5 h")]
)
def test_times_are_told_as_people_say_them(seconds: float, words: str) -> None:
    assert duration(seconds, translator("en")) == words


def test_shards_that_are_not_written_yet_stop_no_training(tmp_path: Path) -> None:
    shards = {"kind": "shards", "data": "@clean", "tokenizer": "@vocab", "longest": 32}
    later = train({"kind": "masked_lm", "max_length": 16}, data="@shards")
    found = {item.planned.name: item for item in diagnose(read(recipe(tmp_path, shards=shards, lm=later)), tmp_path)}
    assert [item.refused for item in found.values()] == [None] * 4
    assert isinstance(found["lm"].found, TrainingFacts)


def test_characters_of_conversations_that_have_no_token_are_told(tmp_path: Path) -> None:
    lines = [
        {
            "messages": [
                {"role": "user", "content": f"问{n}"},
                {"role": "assistant", "content": "答" + chr(0x4E00 + n) * 9},
            ]
        }
        for n in range(60)
    ]
    path = tmp_path / "said.jsonl"
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    plain = recipe(tmp_path, model=train({"kind": "chat", "template": "plain"}))
    plain["stages"]["model"]["model"] = SCRATCH | {"architecture": "gpt2"}
    plain["stages"]["clean"] |= {"data": {"kind": "jsonl", "path": str(path)}, "dedup": "none", "text": "messages"}
    found = {item.planned.name: item for item in diagnose(read(plain), tmp_path / "runs")}
    training = found["model"].found
    assert isinstance(training, TrainingFacts), found["model"].refused
    assert training.tokens.unknown_share > 0.1
    assert any(chr(0x4E00 + n) in text for n in range(60) for text in training.tokens.unknown)


def test_what_takes_a_trained_model_is_left_out_and_nothing_is_learnt_by_a_look(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Continual, "run", lambda *_: pytest.fail("tasks were learnt"))
    tasks = {name: {"data": "@clean", "task": "classify"} for name in ("one", "two")}
    plain = recipe(
        tmp_path,
        model=train("classify"),
        followed=train("classify", teacher={"bundle": "@model"}),
        late=train("classify", model={"kind": "pretrained", "path": "@followed"}, tokenizer=None),
        turns={"kind": "continual", "tokenizer": "@vocab", "model": SCRATCH, "tasks": tasks},
        doubted={"kind": "labels", "data": "@clean", "bundle": "@turns:one"},
        kept=train("classify", data="@doubted"),
        taught={"kind": "teach", "data": "@clean", "bundle": "@model"},
        test={"kind": "evaluate", "bundle": "@turns:one", "data": "@clean:test"},
    )
    found = {item.planned.name: item for item in diagnose(read(plain), tmp_path / "runs")}
    assert [item.refused for item in found.values()] == [None] * 10
    needs = {name: item.needs for name, item in found.items() if item.needs}
    assert needs == dict.fromkeys(("followed", "late", "taught"), "model") | dict.fromkeys(("doubted", "kept"), "turns")


@pytest.mark.parametrize("learnt", [True, False])
def test_texts_that_a_teacher_is_yet_to_write_are_stood_in_for(
    learnt: bool, tmp_path: Path, tiny_bundle: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Teach, "run", lambda *_: pytest.fail("the teacher wrote"))
    lines = [{"text": f"第{n}句{chr(0x4E00 + n * 7)}"} | ({"target": f"第{n}句"} if learnt else {}) for n in range(60)]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(json.dumps(line, ensure_ascii=False) for line in lines), encoding="utf-8")
    policy = {"kind": "sample", "samples": 2, "max_new_tokens": 4}
    taught = {"kind": "teach", "data": "@clean", "bundle": str(tiny_bundle("rewrite")), "policy": policy}
    student = train("rewrite", data="@taught", model=SCRATCH | {"architecture": "gpt2"})
    plain = recipe(tmp_path, taught=taught, student=student)
    plain["stages"]["clean"] |= {"data": {"kind": "jsonl", "path": str(path)}, "dedup": "none", "similarity": 1.0}
    plain["stages"]["clean"]["split"] = {"validation": 0.0, "test": 0.1}  # no teacher writes a validation split
    found = {item.planned.name: item for item in diagnose(read(plain), tmp_path / "runs")}
    assert [item.refused for item in found.values()] == [None] * 4
    assert [name for name, item in found.items() if item.untaught] == ["taught"]
    data, training = found["clean"].found, found["student"].found
    assert isinstance(data, DataFacts)
    assert isinstance(training, TrainingFacts)
    assert training.records == 2 * data.rows["train"]
