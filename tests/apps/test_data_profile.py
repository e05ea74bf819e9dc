"""`danlu survey`: what a file holds, with examples."""

import json
from pathlib import Path

import pytest

from danlu.apps.data_profile import profile, write_profile
from danlu.cli.main import main
from danlu.refusal import Refusal

ROWS = [
    {"text": "酒店很好，下次再来住一晚。", "label": "好"},
    {"text": "酒店很好，下次再来住一晚。", "label": "坏"},
    {"text": "酒店很好，下次再来住一晚。", "label": "好"},
    {"text": "The film was far too long for me.", "label": "坏", "year": 1998},
    {"text": "Nothing like the others at all", "label": "好"},
    {"text": " ", "label": "好"},
]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "reviews.jsonl"
    path.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS), encoding="utf-8")
    return path


def test_a_file_is_counted_with_its_repetitions_and_conflicts(data: Path) -> None:
    found = profile(str(data))
    assert (found.survey.rows, found.survey.nonempty_rows, found.survey.different_texts) == (6, 5, 3)
    assert found.columns == {"text": 6, "label": 6, "year": 1}
    assert [(group.rows, group.truths) for group in found.repeated] == [(3, {"好": 2, "坏": 1})]
    assert found.contested == found.repeated
    assert found.leaked == {}


def test_prepared_data_are_counted_with_what_leaks(tmp_path: Path) -> None:
    from pyarrow import Table
    from pyarrow.parquet import write_table

    train = [{"text": f"row {n} of the training data"} for n in range(20)]
    test = [{"text": "row 3 of the training data"}, {"text": "something else entirely, really"}]
    for name, rows in (("train", train), ("test", test)):
        write_table(Table.from_pylist(rows), tmp_path / f"{name}.parquet")
    found = profile(str(tmp_path), similarity=0.95)
    assert found.rows == {"train": 20, "test": 2}
    assert found.leaked == {"test": (0.5, 0.5)}


def test_it_is_told_in_the_terminal_and_as_a_page(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DANLU_LANGUAGE", "en")
    with pytest.raises(SystemExit) as ended:
        main(["survey", str(data), "--html", str(tmp_path / "survey.html")])
    assert not ended.value.code
    said = capsys.readouterr().out
    assert "columns: text 6, label 6, year 1" in said
    assert "5 rows with text, 3 different texts" in said
    assert "3  酒店很好，下次再来住一晚。  [好 2, 坏 1]" in said
    page = (tmp_path / "survey.html").read_text(encoding="utf-8")
    assert "酒店很好，下次再来住一晚。" in page
    assert "<script" not in page
    assert ">labels</th>" in page
    data.write_text('{"text": "没有标签"}\n' * 2, encoding="utf-8")
    write_profile(tmp_path / "plain.html", "plain", profile(str(data)), "en")
    assert ">labels</th>" not in (tmp_path / "plain.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("column", "words"),
    [("txet", "record 1: there is no column 'txet'"), ("label", None)],
)
def test_a_wrong_column_is_refused(data: Path, column: str, words: str | None) -> None:
    if words is None:
        assert profile(str(data), column=column).survey.different_texts == 2
        return
    with pytest.raises(Refusal, match=words):
        profile(str(data), column=column)


def test_the_label_may_have_another_name(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("content,subject\n价格太贵,价格\n动力很足,动力\n动力很足,操控\n", encoding="utf-8")
    found = profile(str(tmp_path / "a.csv"), column="content", label="subject")
    assert found.survey.labels == {"价格": 1, "动力": 1, "操控": 1}
    assert found.survey.conflicting_texts == 1
    assert found.columns == {"content": 3, "subject": 3}
    with pytest.raises(Refusal, match="there is no column 'sbject'"):
        profile(str(tmp_path / "a.csv"), column="content", label="sbject")


def test_a_folder_without_data_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="holds no prepared data"):
        profile(str(tmp_path))
    with pytest.raises(Refusal, match=r"nothing\.csv"):
        profile(str(tmp_path / "nothing.csv"))


def test_a_row_without_a_text_is_an_empty_one(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("\n".join(json.dumps({"text": text, "label": "x"}) for text in ("one", None, "two")), "utf-8")
    found = profile(str(path))
    assert (found.survey.rows, found.survey.nonempty_rows) == (3, 2)


def test_entities_of_one_token_are_counted_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps({"tokens": ["A", "B", "C"], "tags": ["B-PER", "E-PER", "S-LOC"]}) + "\n", "utf-8")
    assert profile(str(path)).survey.entities == {"PER": 1, "LOC": 1}
