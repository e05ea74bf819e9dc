"""Names of classes in a file beside the data."""

import json
from pathlib import Path

import pytest

from danlu.apps.guessing.classes import names_in

LISTS = [
    ("classes.txt", "差\n好\n", ["0", "1"], {"0": "差", "1": "好"}),
    ("classes.txt", "World\nSports\nBusiness\n", ["3", "1", "2"], {"1": "World", "2": "Sports", "3": "Business"}),
    ("labels.txt", "0 差\n1\t很 好\n", ["0", "1"], {"0": "差", "1": "很 好"}),
    ("labels.txt", "news,100\nsport,101\n", ["100", "101"], {"100": "news", "101": "sport"}),
    ("labels.json", json.dumps(["bad", "good"]), ["1", "0"], {"0": "bad", "1": "good"}),
    ("id2label.json", json.dumps({"0": "bad", "1": "good"}), ["0", "1"], {"0": "bad", "1": "good"}),
    ("label2id.json", json.dumps({"bad": 0, "good": 1}), ["0", "1"], {"0": "bad", "1": "good"}),
    ("classes.txt", "差\n好\n", ["0", "1", "2"], {}),  # one has no name
    ("classes.txt", "World\nSports\nBusiness\nScience\n", ["1", "2", "3"], {}),  # from 0 or from 1?
    ("classes.txt", "World\nSports\nBusiness\n", ["2", "3"], {}),
    ("classes.txt", "World\nSports\nBusiness\n", ["0", "1"], {"0": "World", "1": "Sports"}),
    ("classes.txt", "差\n好\n", ["差", "好"], {}),  # they are names already
    ("classes.txt", "好\n好\n", ["0", "1"], {}),
    ("labels.json", "{broken", ["0", "1"], {}),
    ("classes.txt", "\xff\xfe\x00", ["0", "1"], {}),
]


@pytest.mark.parametrize(("name", "text", "labels", "expected"), LISTS, ids=range(len(LISTS)))
def test_labels_that_are_numbers_get_the_names_of_the_list(name, text, labels, expected, tmp_path):
    (tmp_path / name).write_text(text, "utf-8")
    assert names_in(tmp_path / name, labels) == expected


@pytest.mark.parametrize("first", [0, 1])
def test_of_labels_that_were_not_all_seen_each_line_is_named(first: int, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("\n".join("ABCDEFGHIJKLMN"), encoding="utf-8")
    seen = [str(number) for number in range(first, first + 5)]
    found = names_in(tmp_path / "classes.txt", seen, whole=False)
    assert found == {str(number): name for number, name in enumerate("ABCDEFGHIJKLMN", first)}
