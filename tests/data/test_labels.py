"""One function says what a label is; survey, labels, prepare and training agree on it, whatever writes the file."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyarrow import parquet
from pydantic import ValidationError

from danlu.apps.data_profile import profile
from danlu.data.corpus.prepared import load, load_survey
from danlu.data.labels import in_order, key_of, known_label, label_of, name_of, spellings
from danlu.data.reading.format import guess
from danlu.data.record import Record
from danlu.data.wrong_labels.suspects import labels_in
from danlu.refusal import Refusal
from danlu.stages.stage import Place, Stage
from danlu.task.task import Task

ROWS = 24


def texts(count: int = ROWS) -> list[str]:
    """Texts of which no two are alike."""
    return [
        "".join(chr(0x4E00 + (n * 977 + place * 61 + place * place * n) % 20000) for place in range(12))
        for n in range(count)
    ]


def written(folder: Path, labels: Sequence[Any], kind: str = "jsonl") -> Path:
    rows = [{"text": text, "label": labels[n % len(labels)]} for n, text in enumerate(texts())]
    path = folder / f"rows.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    elif kind == "csv":
        lines = [f'{row["text"]},"{"" if row["label"] is None else row["label"]}"\n' for row in rows]
        path.write_text("text,label\n" + "".join(lines), encoding="utf-8")
    else:
        parquet.write_table(pa.Table.from_pylist(rows), path)
    return path


def prepared(path: Path, said: list[str] | None = None, **section: Any) -> list[Record]:
    data = guess(str(path)).to_plain() | section.pop("data", {})
    split = {"validation": 0.0, "test": 0.0}
    stage = Stage.model_validate({"kind": "prepare", "data": data, "split": split, **section})
    stage.run(Place(path.parent / "out", {}, "fingerprint", 0, "en", ([] if said is None else said).append))
    return load(path.parent / "out", "train")


AGREED: dict[str, tuple[list[Any], Counter[str]]] = {
    "white space": (["好评", "好评 ", "\u3000好评", "差评", "差评\u200b", "差评"], Counter({"好评": 12, "差评": 12})),
    "case": (["Good", "Good", "good", "bad", "bad", "BAD"], Counter({"Good": 12, "bad": 12})),
    "width": (["ＡＢＣ", "ABC", "ABC", "x y", "x  y", "x y"], Counter({"ABC": 12, "x y": 12})),
    "whole numbers": ([1, 0], Counter({"1": 12, "0": 12})),
    "fractions that are whole": ([1.0, 0.0, 1, 0, 1, 0], Counter({"1": 12, "0": 12})),
    "texts of numbers": (["1", "0"], Counter({"1": 12, "0": 12})),
    "numbers in several forms": ([1, "0", "1", 0], Counter({"1": 12, "0": 12})),
    "texts of fractions": (["1.0", "0", "1", "0.0", "1", "0"], Counter({"1": 12, "0": 12})),
    "true and false": ([True, False], Counter({"True": 12, "False": 12})),
    "true in several forms": ([True, "true", True, False, "FALSE", False], Counter({"True": 12, "False": 12})),
}


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize(("labels", "wanted"), AGREED.values(), ids=AGREED.keys())
def test_all_agree_on_what_is_one_label(labels: list[Any], wanted: Counter[str], kind: str, tmp_path: Path) -> None:
    if kind == "parquet" and len(set(map(type, labels))) > 1:
        labels = labels if set(map(type, labels)) <= {int, float} else list(map(str, labels))  # a column has one type
    path = written(tmp_path, labels, kind)
    found = profile(str(path))
    assert found.survey.labels == wanted
    assert (found.survey.conflicting_rows, found.survey.unlabelled_rows) == (0, 0)
    records = prepared(path)
    assert len(records) == ROWS
    assert Counter(record["label"] for record in records) == wanted
    assert load_survey(tmp_path / "out")["labels"] == wanted
    given = list(guess(str(path)).read())
    assert Counter(labels_in(given)[1]) == wanted
    task = Task.model_validate("classify").fitted(given)
    assert set(task.label_names()) == set(wanted)
    assert Counter(task.gold(record) for record in given) == wanted
    assert Task.model_validate("classify").fitted(records).label_names() == task.label_names()


def test_equal_texts_with_one_label_in_two_spellings_are_no_contradiction(tmp_path: Path) -> None:
    rows = [{"text": text, "label": label} for text in texts(10) for label in ("好评", "好评 ")]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    said: list[str] = []
    assert [record["label"] for record in prepared(path, said)] == ["好评"] * 10
    assert "mended: labels without the white space around them, 10 times" in said
    assert profile(str(path)).contested == []


def test_what_is_merged_and_what_is_not_is_told(tmp_path: Path) -> None:
    said: list[str] = []
    labels = ["Good", "Good", "good", "m", "M", "m"]
    assert {record["label"] for record in prepared(written(tmp_path, labels), said)} == {"Good", "m", "M"}
    assert "labels that differ by case, width or white space are one, in 4 rows: 'good' → 'Good'" in said
    assert "! short labels that differ in case alone stay apart, mend them if they are one: 'm' / 'M'" in said


MISSING: list[Any] = [None, "", "  ", "\u3000", float("nan")]


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
@pytest.mark.parametrize("missing", MISSING, ids=repr)
def test_a_label_that_is_not_there_is_none_everywhere(missing: Any, kind: str, tmp_path: Path) -> None:
    if isinstance(missing, float):
        labels, wanted = [1.0, missing, 0.0], {"1": 8, "0": 8}
        missing = {"csv": ""}.get(kind, missing)
    else:
        labels, wanted = ["a", missing, "b"], {"a": 8, "b": 8}
    path = written(tmp_path, [missing if n == 1 else label for n, label in enumerate(labels)], kind)
    if kind == "csv" and wanted == {"1": 8, "0": 8}:
        wanted = {"1.0": 8, "0.0": 8}
    found = profile(str(path)).survey
    assert (found.labels, found.unlabelled_rows) == (wanted, 8)
    with pytest.raises(Refusal, match=r"rows\.\w+, (line|record) [23]: the label is empty; fill it in, .* skip"):
        prepared(path)
    said: list[str] = []
    records = prepared(path, said, data={"on_bad_row": "skip"})
    assert (len(records), Counter(record["label"] for record in records)) == (16, wanted)
    assert any("8 bad rows left out" in line for line in said)
    given = list(guess(str(path)).read())
    assert sum("label" not in record for record in given) == 8
    with pytest.raises(Refusal, match="record 2: there is no label"):
        labels_in(given)
    with pytest.raises(Refusal, match="record 2: there is no column 'label'"):
        Task.model_validate("classify").fitted(given)


def test_fractions_are_measured_not_named_wherever_they_stand(tmp_path: Path) -> None:
    path = written(tmp_path, [1.0, 0.5, 2.0])
    found = profile(str(path)).survey
    assert (found.labels, found.unlabelled_rows) == ({}, 0)
    records = prepared(path)
    assert Counter(record["label"] for record in records) == {1.0: 8, 0.5: 8, 2.0: 8}
    path.write_text('{"text": "好", "label": 1}\n{"text": "坏", "label": 0.5}\n', encoding="utf-8")
    assert [record["label"] for record in prepared(path)] == [1.0, 0.5]


def test_a_chunk_of_whole_numbers_beside_one_of_fractions_is_measured_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("danlu.data.corpus.ingest.CHUNK", 30)
    path = written(tmp_path, [*[1] * 12, *[0.5] * 12])
    executor = {"kind": "local", "processes": 1}
    assert [record["label"] for record in prepared(path, executor=executor)] == [1.0] * 12 + [0.5] * 12


@given(st.text(min_size=1, max_size=8))
def test_a_label_is_one_text_and_its_own_spelling(text: str) -> None:
    label = label_of(text)
    if label is None:
        assert not text.strip("".join(filter(str.isspace, text)) + "\u200b\u200c\u200d\u2060\ufeff")
        return
    assert label_of(label) == label
    assert label_of(f" \u3000{text}\t") == label
    assert known_label(label, [label]) == label
    assert key_of(label) == key_of(f" {label}\n")


@given(st.dictionaries(st.text("aAbＢ 1.0", min_size=1, max_size=5), st.integers(1, 9), max_size=8))
def test_spellings_keep_every_row_and_the_commonest_spelling(counts: dict[str, int]) -> None:
    found = spellings(counts)
    merged = found.counted(counts)
    assert merged.total() == sum(counts.values())
    assert set(merged) <= set(counts)
    for old, new in found.merged.items():
        assert key_of(old) == key_of(new)
        assert counts[old] <= counts[new]
    assert spellings(merged).merged == {}


@pytest.mark.parametrize(
    ("labels", "ordered"),
    [
        (["10", "2", "1"], ["1", "2", "10"]),
        (["-1", "10", "0.5"], ["-1", "0.5", "10"]),
        (["b", "10", "2"], ["10", "2", "b"]),
        (["nan", "inf", "1"], ["1", "inf", "nan"]),
    ],
)
def test_numbers_go_by_size_and_texts_by_their_letters(labels: list[str], ordered: list[str]) -> None:
    assert in_order(labels) == ordered
    records = [{"text": "好", "label": label} for label in labels]
    assert Task.model_validate("classify").fitted(records).label_names() == tuple(ordered)


@pytest.mark.parametrize("kind", ["classify", "tag"])
def test_labels_in_a_recipe_may_be_numbers_and_stand_there_once(kind: str) -> None:
    assert Task.model_validate({"kind": kind, "labels": [0, 1]}).label_names() == ("0", "1")
    assert Task.model_validate({"kind": kind, "labels": [" neg", "pos"]}).label_names() == ("neg", "pos")
    with pytest.raises(ValidationError, match="the label 'pos' stands there twice; write it once"):
        Task.model_validate({"kind": kind, "labels": ["neg", "pos", "pos"]})
    for wrong in ("", None, 0.5, ["a"]):
        with pytest.raises(ValidationError, match="is no label"):
            Task.model_validate({"kind": kind, "labels": ["neg", wrong]})


def test_entities_may_have_labels_with_white_space_or_numbers() -> None:
    task = Task.model_validate("tag")
    entities = [{"start": 0, "end": 1, "label": "PER "}, {"start": 2, "end": 3, "label": 7}]
    record = {"text": "李在京", "entities": entities}
    assert task.fitted([record]).label_names() == ("7", "PER")
    assert task.gold(record) == {(0, 1, "PER"), (2, 3, "7")}


def test_names_of_labels_that_are_numbers_come_from_the_format(tmp_path):
    (tmp_path / "r.csv").write_text("text,label\na,1\nb, 2 \nc,3\n", encoding="utf-8")
    source = guess(str(tmp_path / "r.csv"), settings=["names={'1': sport, '2': art}"])
    assert [record["label"] for record in source.read()] == ["sport", "art", "3"]


def test_a_label_finds_its_name_however_its_number_is_spelled(tmp_path):
    names = {"0": "neg", "1": "pos", "m": "male", "M": "Monday"}
    given = [0, 1.0, "1.0", "１", " 0.0 ", "m", "M", "2", None, True]
    assert [name_of(value, names) for value in given] == [
        "neg", "pos", "pos", "pos", "neg", "male", "Monday", None, None, None,
    ]  # fmt: skip
    rows = "text,label\na,0.0\nb,１\nc,1\n"
    (tmp_path / "r.csv").write_text(rows, encoding="utf-8")
    (tmp_path / "s.jsonl").write_text('{"text": "a", "labels": ["1.0", 0, "x"]}\n', encoding="utf-8")
    settings = ["names={'0': neg, '1': pos}"]
    assert [record["label"] for record in guess(str(tmp_path / "r.csv"), settings=settings).read()] == [
        "neg",
        "pos",
        "pos",
    ]
    assert next(guess(str(tmp_path / "s.jsonl"), settings=settings).read())["labels"] == ["pos", "neg", "x"]
