"""What is looked for in data: records, surveys, splits, texts that are alike, doubted labels; and broken data."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from danlu.apps.studio import looks
from danlu.apps.studio.records import Kept
from danlu.apps.studio.served import Served
from danlu.data.corpus.prepared import save_split
from danlu.refusal import Refusal

GOOD = ["这本书写得很好", "送货很快，非常满意", "a wonderful film", "works well and looks good"]
BAD = ["物流太慢，包装破了", "第二天就坏了", "a dull and endless plot", "poor manual, it broke"]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """48 rows with two labels; the first is wrong, the last two are the first once more, and nearly."""
    found = [(f"{text} {number}{number}", label) for number in range(6) for text, label in _labelled()]
    found[0] = (found[0][0], "bad")
    found[-2:] = [(found[0][0], "good"), (found[0][0] + "！", "good")]
    path = tmp_path / "train.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "label"), *found])
    return path


def _labelled() -> list[tuple[str, str]]:
    return [*((text, "good") for text in GOOD), *((text, "bad") for text in BAD)]


def looked(folder: Path) -> Any:
    return json.loads((folder / "result.json").read_bytes())


def test_records_are_kept_and_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "一", "n": 1}\n{broken\n{"text": "<b>"}\n', encoding="utf-8")
    looks.read(path, None, [], tmp_path)
    found = looked(tmp_path)
    assert (found["rows"], found["bad"], found["columns"]) == (2, 1, {"text": 2, "n": 1})
    assert "line 2" in found["told"][0]
    assert [each["cells"]["text"] for each in Kept(tmp_path).page(1, 9)] == ["一", "<b>"]


@pytest.mark.parametrize(
    ("name", "data", "told"),
    [
        ("a.csv", b"", "empty"),
        ("a.json", b"[" * 10_000, "no JSON|deep|nested|bracket"),
        ("a.parquet", b"PAR1 no PAR1", "cannot be read"),
        ("a.jsonl", b"\xff\xfe\x00\xd8", "no records|UTF|cannot be read"),
        ("a.csv", b"text\n" + b'"' + b"x" * 2**20, "quote|never|closed|ends"),
    ],
)
def test_data_that_hold_nothing_are_a_sentence(tmp_path: Path, name: str, data: bytes, told: str) -> None:
    (tmp_path / name).write_bytes(data)
    with pytest.raises(Refusal, match=rf"(?i)a\.\w+.*({told})"):
        looks.read(tmp_path / name, None, [], tmp_path)


def test_a_survey_tells_languages_and_leaves_a_page(rows: Path, tmp_path: Path) -> None:
    looks.survey(rows, [], "text", "label", "<img src=x onerror=alert(1)>", tmp_path)
    found = looked(tmp_path)
    assert found["languages"]["zh"] == pytest.approx(26, abs=2)
    assert found["languages"]["en"] >= 18
    assert any("48 rows" in line for line in found["lines"])
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert "<img" not in page
    assert "&lt;img" in page


def test_splits_are_counted_in_files_beside_and_in_prepared_data(rows: Path, tmp_path: Path) -> None:
    (tmp_path / "test.csv").write_text("text,label\nx,good\ny,\n", encoding="utf-8")
    (tmp_path / "dev.csv").symlink_to(rows.parent.parent / "elsewhere.csv")
    (rows.parent.parent / "elsewhere.csv").write_text("text,label\nx,secret\n", encoding="utf-8")
    served = Served({"working": tmp_path})
    looks.splits(served, rows, [], "label", tmp_path)
    found = looked(tmp_path)["splits"]
    assert {name: part["rows"] for name, part in found.items()} == {"train": 48, "test": 2}
    assert found["test"]["labels"] == {"good": 1}
    folder = tmp_path / "prepared"
    folder.mkdir()
    save_split(folder, "train", [{"text": "a", "label": "x"}, {"text": "b", "label": "y"}])
    save_split(folder, "test", [{"text": "a", "label": "x"}])
    looks.splits(served, folder, [], "label", tmp_path)
    assert {name: part["labels"] for name, part in looked(tmp_path)["splits"].items()} == {
        "train": {"x": 1, "y": 1},
        "test": {"x": 1},
    }
    looks.duplicates(folder, [], "text", 0.8, tmp_path)
    group = looked(tmp_path)["groups"][0]
    assert [(each["split"], each["number"]) for each in group["members"]] == [("train", 1), ("test", 1)]


def test_duplicates_are_told_by_their_numbers_and_suspects_the_worst_first(rows: Path, tmp_path: Path) -> None:
    looks.duplicates(rows, [], "text", 0.7, tmp_path)
    found = looked(tmp_path)
    first = next(group for group in found["groups"] if group["members"][0]["number"] == 1)
    assert [(each["number"], each["exact"]) for each in first["members"]][-2:] == [(47, True), (48, False)]
    assert first["labels"] == 2
    with pytest.raises(Refusal, match="no record has a text in the column 'body'"):
        looks.duplicates(rows, [], "body", 0.7, tmp_path)
    looks.suspects(rows, None, [], "text", "label", tmp_path)
    found = looked(tmp_path)
    assert found["suspects"][0]["row"] == 1
    assert (found["suspects"][0]["label"], found["suspects"][0]["suggested"]) == ("bad", "good")


def test_a_recipe_is_begun_as_init_writes_it_and_nothing_is_written_beside(
    rows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from danlu.apps.init import init

    monkeypatch.chdir(tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    looks.begin("classify", Path("train.csv"), [], "scratch", out)
    found = looked(out)
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["train.csv"]
    written = init("classify", "train.csv", model="scratch").path
    assert found["text"] == written.read_text(encoding="utf-8")
    assert found["name"] == written.stem
