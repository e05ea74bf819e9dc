"""Tables with several values a record: how they are written is told from their first rows."""

import csv
from pathlib import Path

import pytest
import yaml

from danlu.apps.guessing.several import several
from danlu.apps.init import init

CARS = [f"第 {n} 辆，{['便宜又好看', '动力不足', '内饰一般', '安静', '省油'][n % 5]}而已" for n in range(40)]


@pytest.mark.parametrize("sign", ["|", ";", "、", ",", "/", " "])
def test_the_sign_between_values_is_told(sign: str) -> None:
    rows = [[text, sign.join(["价格", "外观"][: 1 + row % 2])] for row, text in enumerate(CARS)]
    assert next(several(["text", "topics"], rows)) == {"lists": {"topics": sign}}


def test_lists_as_python_writes_them_are_told() -> None:
    rows = [[text, str(["price", "fuel"][: row % 3])] for row, text in enumerate(CARS)]
    assert next(several(["text", "topics"], rows)) == {"lists": {"topics": "list"}}


@pytest.mark.parametrize("sign", [" ", "list"])
def test_words_and_their_tags_are_told_side_by_side(sign: str) -> None:
    words = [[f"w{row}", *["in", "the", "town", "of"][: 1 + row % 4]] for row in range(40)]
    rows = [[str(each), str(["B-LOC", *["O"] * (len(each) - 1)])] for each in words]
    if sign == " ":
        rows = [[" ".join(each), " ".join(["B-LOC", *["O"] * (len(each) - 1)])] for each in words]
    assert next(several(["sentence", "word_labels"], rows)) == {"lists": {"sentence": sign, "word_labels": sign}}


def test_columns_of_zeros_and_ones_are_labels() -> None:
    rows = [[str(row), text, "01"[row % 2], "01"[row % 3 == 0]] for row, text in enumerate(CARS)]
    assert next(iter(several(["id", "comment", "toxic", "insult"], rows))) == {"flags": {"labels": ["toxic", "insult"]}}


def test_a_row_for_each_value_of_a_text_is_told() -> None:
    rows = [
        [text, topic, "0"] for number, text in enumerate(CARS) for topic in ["价格", "外观", "油耗"][: 1 + number % 3]
    ]
    assert [*several(["content", "subject", "value"], rows)] == [{"group": "content", "collect": {"labels": "subject"}}]


def test_sentences_single_labels_and_one_flag_are_no_lists() -> None:
    rows = [[f"{text}, {row}; so / so", "好差"[row % 2], "01"[row % 2]] for row, text in enumerate(CARS)]
    assert not [*several(["text", "label", "seen"], rows)]


FOREIGN = {
    "words and tags as one text each": (
        "tag",
        ["sentence", "word_labels"],
        lambda n: [f"The {n} people of Oslo", "O O O O B-LOC"],
        {"lists": {"sentence": " ", "word_labels": " "}, "columns": {"tokens": "sentence", "tags": "word_labels"}},
    ),
    "a column for each label": (
        "multilabel",
        ["id", "comment_text", "toxic", "insult"],
        lambda n: [str(n), f"comment number {n} says things", "01"[n % 2], "01"[n % 3 == 0]],
        {"flags": {"labels": ["toxic", "insult"]}, "columns": {"text": "comment_text"}},
    ),
    "genres between bars": (
        "multilabel",
        ["title", "plot", "genres"],
        lambda n: [f"T{n}", f"a film about the {n}th war in a far city", ["War", "War|Crime"][n % 2]],
        {"lists": {"genres": "|"}, "columns": {"text": "plot", "labels": "genres"}},
    ),
}


@pytest.mark.parametrize("name", FOREIGN)
def test_tables_with_several_values_are_read_as_they_are(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, header, row, expected = FOREIGN[name]
    with (tmp_path / "a.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *(row(number) for number in range(40))])
    monkeypatch.chdir(tmp_path)
    init(task, "a.csv", model="scratch")
    read = yaml.safe_load((tmp_path / "a.yaml").read_text(encoding="utf-8"))["stages"]["clean"]["data"]
    assert read == {"kind": "csv", "path": "a.csv", **expected}
