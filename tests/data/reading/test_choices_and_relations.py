"""Published forms of questions with choices, and of relations between two entities."""

import json
from pathlib import Path
from typing import Any

import pytest

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.format import Format
from danlu.data.record import Record
from danlu.refusal import Refusal


def read(kind: str, path: Path, bad_rows: BadRows | None = None) -> list[Record]:
    return list(Format.model_validate({"kind": kind, "path": str(path)}).read(bad_rows=bad_rows))


def written(folder: Path, value: Any) -> Path:
    path = folder / "a.json"
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (
            {"question": {"stem": "q", "choices": [{"label": "1", "text": "x"}, {"label": "2", "text": "y"}]},
             "answerKey": "2"},
            {"text": "q", "choices": ["x", "y"], "answer": "B"},
        ),
        (
            {"id": 7, "question": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "A"},
            {"id": 7, "text": "q", "choices": ["x", "y"], "answer": "A"},
        ),
        (
            {"article": "a", "question": {"stem": "q", "choices": [{"label": "甲", "text": "x"}]}, "answerKey": ""},
            {"text": "a", "question": "q", "choices": ["x"]},
        ),
    ],
)  # fmt: skip
def test_choices_have_a_letter_whatever_their_labels(given: Any, expected: Record, tmp_path: Path) -> None:
    assert read("choices", written(tmp_path, [given])) == [expected]


def test_an_answer_that_is_no_label_of_a_choice_is_told(tmp_path: Path) -> None:
    asked = {"question": "q", "choices": {"text": ["x", "y"], "label": ["A", "B"]}, "answerKey": "E"}
    with pytest.raises(Refusal, match="record 1: the answer 'E' is none of the labels of its choices: A, B; mend it"):
        read("choices", written(tmp_path, [asked]))


@pytest.mark.parametrize(
    ("given", "head", "tail"),
    [
        (
            {"text": "😀李白生于碎叶。", "h": {"name": "李白", "pos": [1, 3]}, "t": {"name": "碎叶", "pos": [5, 7]}},
            "李白",
            "碎叶",
        ),
        ({"text": "李白生于碎叶。", "h": {"name": "李白", "pos": [3, 5]}, "t": {"pos": [4, 6]}}, "李白", "碎叶"),
        ({"token": ["In", "New", "York", ",", "Ann"], "h": {"pos": [4, 5]}, "t": {"pos": [1, 3]}}, "Ann", "New York"),
        ({"tokens": ["李白", "生于", "碎叶"], "h": {"pos": [0, 1]}, "t": {"pos": [2, 3]}}, "李白", "碎叶"),
    ],
)
def test_relations_mark_what_their_positions_and_names_say(given: Any, head: str, tail: str, tmp_path: Path) -> None:
    (record,) = read("relations", written(tmp_path, [{**given, "relation": "x"}]), BadRows())
    marks = [record["text"][record[side]["start"] : record[side]["end"]] for side in ("head", "tail")]
    assert (*marks, record["label"]) == (head, tail, "x")


def test_a_position_outside_of_the_tokens_is_told(tmp_path: Path) -> None:
    given = {"token": ["a", "b"], "h": {"name": "b", "pos": [1, 3]}, "t": {"pos": [0, 1]}}
    with pytest.raises(Refusal, match="record 1: the head 'b' from 1 to 3 is not within the 2 tokens; mend its 'pos'"):
        read("relations", written(tmp_path, [given]))
