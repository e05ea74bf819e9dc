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


def test_several_questions_on_a_passage_of_race_are_a_record_each(tmp_path: Path) -> None:
    passage = {
        "answers": ["B", "A"],
        "options": [["x", "y"], ["u", "v", "w"]],
        "questions": ["q1", "q2"],
        "article": "a",
        "id": "high1.txt",
    }
    path = tmp_path / "1.txt"
    path.write_text(json.dumps(passage, indent=1))
    over_lines = read("choices", path)
    path.write_text(json.dumps(passage))
    assert (
        read("choices", path)
        == over_lines
        == [
            {"id": "high1.txt", "text": "a", "question": "q1", "choices": ["x", "y"], "answer": "B"},
            {"id": "high1.txt", "text": "a", "question": "q2", "choices": ["u", "v", "w"], "answer": "A"},
        ]
    )


def test_dialogues_of_c3_are_passages_and_answers_are_texts(tmp_path: Path) -> None:
    asked = [{"question": "去哪儿？", "choice": ["北京", "上海"], "answer": "上海"}]
    (record,) = read("choices", written(tmp_path, [[["女：走吗？", "男：去上海。"], asked, "7-1"]]))
    assert record == {
        "id": "7-1",
        "text": "女：走吗？\n男：去上海。",
        "question": "去哪儿？",
        "choices": ["北京", "上海"],
        "answer": "B",
    }


@pytest.mark.parametrize(
    "passage",
    [
        {"article": "a", "questions": ["q"], "options": [["x", "y"]], "answers": ["C"]},
        {"article": "a", "questions": ["q"], "options": "xy", "answers": ["A"]},
        {"article": "a", "questions": [7], "options": [["x"]], "answers": ["A"]},
        {"article": "a", "questions": [{"choice": None}]},
    ],
)
def test_a_passage_of_another_form_is_told(passage: Record, tmp_path: Path) -> None:
    with pytest.raises(Refusal, match=r"record 1: .*(mend it|the keys are)"):
        read("choices", written(tmp_path, [passage]))


def test_texts_of_fewrel_have_the_relation_that_they_stand_under(tmp_path: Path) -> None:
    text = {
        "tokens": ["Ann", "went", "to", "New", "York"],
        "h": ["ann", "Q1", [[0]]],
        "t": ["new york", "Q2", [[3, 4]]],
    }
    (record,) = read("relations", written(tmp_path, {"P931": [text]}))
    marks = [record["text"][record[side]["start"] : record[side]["end"]] for side in ("head", "tail")]
    assert (*marks, record["label"]) == ("Ann", "New York", "P931")


def test_ends_of_tacred_are_included(tmp_path: Path) -> None:
    given = {"id": "e", "relation": "per:city", "token": ["Ann", "went", "to", "New", "York"], "subj_start": 0}
    given |= {"subj_end": 0, "obj_start": 3, "obj_end": 4, "subj_type": "PERSON"}
    (record,) = read("relations", written(tmp_path, [given]))
    marks = [record["text"][record[side]["start"] : record[side]["end"]] for side in ("head", "tail")]
    assert (*marks, record["label"], record["subj_type"]) == ("Ann", "New York", "per:city", "PERSON")
    with pytest.raises(Refusal, match="the tail '' from 3 to 9 is not within the 5 tokens"):
        read("relations", written(tmp_path, [given | {"obj_end": 8}]))
