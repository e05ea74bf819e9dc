"""Cells of several values, and columns of 0 and 1, as lists."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.reading.several import cut
from danlu.data.record import Record
from danlu.refusal import Refusal


def read(kind: str, path: Path, **fields: object) -> list[Record]:
    return list(Format.model_validate({"kind": kind, "path": str(path), **fields}).read())


def test_cells_of_several_values_become_lists(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,labels,tags\n好车,价格| 外观 ||,\"['a', 'b, c']\"\n慢,,\n", encoding="utf-8")
    found = read("csv", path, lists={"labels": "|", "tags": "list"})
    assert found == [
        {"text": "好车", "labels": ["价格", "外观"], "tags": ["a", "b, c"]},
        {"text": "慢", "labels": [], "tags": []},
    ]
    renamed = read("csv", path, lists={"tags": "list"}, columns={"labels": "tags"})
    assert renamed[0]["labels"] == ["a", "b, c"]
    with pytest.raises(Refusal, match=r"line 2: there is no column 'lables' to make a list of; did you mean 'labels'"):
        read("csv", path, lists={"lables": "|"})
    with pytest.raises(Refusal, match=r"line 2: '价格\| 外观 \|\|' is no list such as \['a', 'b'\]; mend it"):
        read("csv", path, lists={"labels": "list"})
    with pytest.raises(ValueError, match="the sign between values is empty"):
        read("csv", path, lists={"labels": ""})
    with pytest.raises(ValueError, match="or of cells by 'lists' and 'flags'; keep one"):
        read("csv", path, lists={"labels": "|"}, group="text", collect={"tags": "tags"})


def test_columns_of_zeros_and_ones_become_a_list_of_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text("text\ttoxic\tinsult\nyou\t1\t1.0\nme\tFALSE\t\n", encoding="utf-8")
    found = read("tsv", path, flags={"labels": ["toxic", "insult"]})
    assert found == [{"text": "you", "labels": ["toxic", "insult"]}, {"text": "me", "labels": []}]
    path.write_text("text\ttoxic\nyou\t-1\nme\t1\n", encoding="utf-8")
    with pytest.raises(Refusal, match="line 2: column 'toxic' holds '-1', neither 0 nor 1; mend it, or take it out of"):
        read("tsv", path, flags={"labels": ["toxic"]})
    skipping = Format.model_validate(
        {"kind": "tsv", "path": str(path), "flags": {"labels": ["toxic"]}, "on_bad_row": "skip"}
    )
    assert list(skipping.read(bad_rows=BadRows())) == [{"text": "me", "labels": ["toxic"]}]


@pytest.mark.parametrize(
    ("written", "values"),
    [
        ("['EU', 'rejects']", ["EU", "rejects"]),
        ("['EU' 'rejects'\n 'call']", ["EU", "rejects", "call"]),  # as NumPy writes it, on two lines
        ('["EU", "it\'s"]', ["EU", "it's"]),
        ("('a',)", ["a"]),
        ("[3, 0]", ["3", "0"]),
        ('["\\ud83d\\ude00 joy", "a\\/b", null]', ["😀 joy", "a/b"]),
        ("[true, false]", ["True", "False"]),
        ("[]", []),
        (" ", []),
    ],
)
def test_lists_as_json_python_and_numpy_write_them(written: str, values: list[str]) -> None:
    assert cut(written, "list") == values


@pytest.mark.parametrize(
    "written", ["[0 1]", "['a', ...]", "__import__('os')", "[['a']]", "{'a': 1}", "['a'", "[" * 999]
)
def test_what_is_no_list_is_no_value(written: str) -> None:
    with pytest.raises(ValueError, match="is no list such as"):
        cut(written, "list")


@given(
    rows=st.lists(st.lists(st.text("abc 价格'\",[]", min_size=1).map(str.strip).filter(bool), unique=True), min_size=1),
    sign=st.sampled_from(["|", ";", "；", "list"]),
)
def test_values_that_are_written_together_are_read_apart(rows: list[list[str]], sign: str) -> None:
    for values in rows:
        assert cut(str(values) if sign == "list" else sign.join(values), sign) == values


def test_names_are_those_of_each_of_several_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,labels\n好车,0|1\n慢,1|2\n", encoding="utf-8")
    found = read("csv", path, lists={"labels": "|"}, names={"0": "price", "1": "looks"})
    assert [record["labels"] for record in found] == [["price", "looks"], ["looks", "2"]]
