"""Columns of any type beside the text: a run ends with a bundle whose golden records hold the task's columns alone."""

import json
from datetime import UTC, date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from danlu.apps.doctor import DataFacts, diagnose
from danlu.bundle.bundle import load
from danlu.bundle.verify import verify
from danlu.cli.main import main
from danlu.stages.recipe import read
from danlu.stages.run import run
from danlu.stages.stage import Place, Stage

ROWS = 40


def reviews(path: Path) -> Path:
    """Two labels as decimals, and columns of all types that JSON does not have."""
    texts = [f"{chr(0x4E00 + n * 7)}{chr(0x5E00 + n * 11)}次买，{'满意' if n % 2 else '退货'}" for n in range(ROWS)]
    columns: dict[str, Any] = {
        "text": texts,
        "label": pa.array([Decimal(n % 2) for n in range(ROWS)], pa.decimal128(3, 0)),
        "day": [date(2024, 5, 1 + n % 28) for n in range(ROWS)],
        "at": [datetime(2024, 5, 1, n % 24, tzinfo=UTC) for n in range(ROWS)],
        "clock": [time(n % 24) for n in range(ROWS)],
        "price": pa.array([Decimal("1.50")] * ROWS, pa.decimal128(5, 2)),
        "meta": [{"seen": date(2024, 5, 1), "tags": ["a"]} for _ in range(ROWS)],
        "photo": [b"\xff\xd8"] * ROWS,
    }
    parquet.write_table(pa.table(columns), path)
    return path


@pytest.fixture(scope="module")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    folder = tmp_path_factory.mktemp("plain")
    data = {"kind": "parquet", "path": str(reviews(folder / "reviews.parquet"))}
    train = {
        "kind": "train",
        "tokenizer": "@vocab",
        "model": {"kind": "scratch", "layers": 1, "width": 32, "heads": 2, "positions": 48},
        "task": {"kind": "classify"},
        "train": {"steps": 1, "batch_tokens": 128, "precision": "float32"},
    }
    split = {"validation": 0.2, "test": 0.2}
    stages = {
        "clean": {"kind": "prepare", "data": data, "split": split, "executor": {"kind": "local", "processes": 1}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 60}},
        "rows": {"kind": "shards", "data": "@clean", "tokenizer": "@vocab", "task": {"kind": "classify"}},
        "prepared": train | {"data": "@clean"},
        "files": train | {"data": data},
        "shards": train | {"data": "@rows"},
    }
    checked = read({"name": "plain", "stages": stages})
    run(checked, folder / "runs")
    return {"name": "plain", "stages": stages}, folder


@pytest.mark.parametrize("stage", ["prepared", "files", "shards"])
def test_a_bundle_is_left_whose_golden_records_are_plain_and_few(
    recipe: tuple[dict[str, Any], Path], stage: str
) -> None:
    folder = recipe[1] / "runs" / "plain" / stage / "bundle"
    golden = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    assert {name for record in golden["records"] for name in record} == {"text", "label"}
    bundle = load(folder)
    assert bundle.task.label_names() == ("0", "1")
    verify(folder)


def test_prepared_columns_are_texts_that_say_what_was_there(recipe: tuple[dict[str, Any], Path]) -> None:
    row = parquet.read_table(recipe[1] / "runs" / "plain" / "clean" / "train.parquet").to_pylist()[0]
    assert row["day"].startswith("2024-05-")
    assert datetime.fromisoformat(row["at"]).tzinfo is not None
    assert (row["price"], row["meta"], row["photo"]) == ("1.50", {"seen": "2024-05-01", "tags": ["a"]}, "/9g=")


def test_check_compares_the_splits_in_chunks_as_a_run_does(
    recipe: tuple[dict[str, Any], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.data.corpus.ingest.CHUNK", 64)
    path = tmp_path / "rows.jsonl"
    texts = [f"{chr(0x4E00 + n * 7)}{chr(0x5E00 + n * 11)}{chr(0x6E00 + n * 5)}次买，很满意" for n in range(20)]
    path.write_text("".join(json.dumps({"text": text, "label": "好"}) + "\n" for text in texts), encoding="utf-8")
    test = tmp_path / "test.jsonl"
    rows = [{"text": texts[0], "label": "好"}, {"text": "全然不同的一句话，与别的都不相像", "label": "好"}]
    test.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    executor = {"kind": "local", "processes": 1}
    data, given = ({"kind": "jsonl", "path": str(file)} for file in (path, test))
    section = {"kind": "prepare", "data": [data, data], "test": given, "dedup": "none", "executor": executor}
    checked = read({"name": "c", "stages": {"clean": section | {"split": {"validation": 0.2, "test": 0.0}}}})
    (found,) = diagnose(checked, tmp_path / "runs")
    assert isinstance(found.found, DataFacts)
    assert found.found.rows == {"train": 30, "validation": 8, "test": 2}
    assert found.found.labels == {"train": {"好": 30}, "validation": {"好": 8}, "test": {"好": 2}}
    assert found.found.leaked == {"validation": (0.0, 0.0), "test": (0.0, 0.0)}


def test_evaluate_takes_the_columns_of_a_file_by_their_names(
    recipe: tuple[dict[str, Any], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundle = str(recipe[1] / "runs" / "plain" / "prepared")
    rows = [{"review": "很满意", "stars": n % 2, "label": "other"} for n in range(6)]
    path = tmp_path / "new.jsonl"

    def evaluate(*words: str) -> tuple[int, str]:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        with pytest.raises(SystemExit) as ended:
            main(["evaluate", bundle, str(path), "--resamples", "100", *words])
        told = capsys.readouterr()
        return int(ended.value.code or 0), told.out + told.err

    named = ("--column", "review", "--label", "stars")
    assert evaluate(*named)[0] == 0
    code, said = evaluate()
    assert code == 2
    assert "record 1: there is no column 'text'" in said
    assert "--column" in said
    rows[3]["stars"] = None
    code, said = evaluate(*named)
    assert code == 2
    assert f"{path}, line 4: the label is empty" in said
    del rows[3]["stars"]
    code, said = evaluate(*named)
    assert code == 2
    assert f"{path}, line 4: there is no column 'stars'" in said
    rows[3] = {"review": "很满意", "stars": 0.5, "label": "other"}
    code, said = evaluate(*named)
    assert code == 2
    assert "record 4: column 'label' must be a label (text), and it is of type float" in said


def test_a_tokenizer_reads_records_of_tokens_word_by_word(tmp_path: Path) -> None:
    rows = [{"tokens": ["Ada", "met", "Bob"], "tags": ["O", "O", "O"]}] * 3
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    section = {"kind": "tokenizer", "data": {"kind": "jsonl", "path": str(tmp_path / "rows.jsonl")}}
    stage = Stage.model_validate(section | {"tokenizer": {"kind": "wordpiece", "size": 60}})
    stage.run(Place(tmp_path / "vocab", {}, "one", 0, "en", lambda line: None))
    known = json.loads((tmp_path / "vocab" / "tokenizer" / "tokenizer.json").read_text())["model"]["vocab"]
    assert {"ada", "met", "bob"} <= set(known)
