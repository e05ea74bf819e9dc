"""Examinations in their published layouts, written and read back; and what is wrong with others."""

import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danlu.data.reading.subjects import Question, read_subjects
from danlu.refusal import Refusal

TEXTS = st.text("ab,\"'中，：。0 ", min_size=1, max_size=12).map(str.strip).filter(bool)
QUESTIONS = st.lists(st.tuples(TEXTS, st.tuples(TEXTS, TEXTS, TEXTS, TEXTS), st.integers(0, 3)), min_size=1, max_size=4)


def write(folder: Path, layout: str, split: str, name: str, questions: list[tuple[str, tuple[str, ...], int]]) -> Path:
    """A file as its authors publish it."""
    file = folder / split / (f"{name}.csv" if layout == "cmmlu" else f"{name}_{split}.csv")
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("w", encoding="utf-8", newline="") as out:
        rows = csv.writer(out)
        if layout == "ceval":
            rows.writerow(["id", "question", "A", "B", "C", "D", "answer", "explanation"])
        if layout == "cmmlu":
            rows.writerow(["", "Question", "A", "B", "C", "D", "Answer"])
        for number, (text, choices, answer) in enumerate(questions):
            row = [text, *choices, "ABCD"[answer]]
            rows.writerow({"mmlu": row, "ceval": [number, *row, ""], "cmmlu": [number, *row]}[layout])
    return file


@pytest.mark.parametrize("layout", ["mmlu", "ceval", "cmmlu"])
@given(questions=QUESTIONS)
def test_a_published_layout_is_read_back(
    layout: str, questions: list[tuple[str, tuple[str, ...], int]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp(layout)
    write(folder, layout, "dev", "higher_maths", questions[:1])
    write(folder, layout, "test", "higher_maths", questions)
    (subject,) = read_subjects(folder, shots=1)
    assert (subject.name, subject.layout) == ("higher_maths", layout)
    assert [(each.text, each.choices, each.answer) for each in subject.questions] == questions
    assert [each.text for each in subject.examples] == [questions[0][0]]


def test_subjects_come_by_name_and_those_asked_for_alone(tmp_path: Path) -> None:
    for name in ("b", "a", "c"):
        write(tmp_path, "mmlu", "test", name, [(name, ("1", "2", "3", "4"), 2)])
    assert [each.name for each in read_subjects(tmp_path, shots=0)] == ["a", "b", "c"]
    (only,) = read_subjects(tmp_path, shots=0, only=["b"])
    assert only.questions == (Question("b", ("1", "2", "3", "4"), 2, f"{tmp_path / 'test' / 'b_test.csv'}, line 1"),)
    with pytest.raises(Refusal, match=r"there is no subject 'd'; there are: a, b, c"):
        read_subjects(tmp_path, shots=0, only=["d"])


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("what,1,2,3,A\n", r"law_test\.csv, line 1: has 5 fields, .* four choices and the letter"),
        ("ok,1,2,3,4,B\nwhat,1,2,3,4,5,A\n", r"law_test\.csv, line 2: has 7 fields"),
        ("what,1,2,3,4,E\n", r"law_test\.csv, line 1: the answer 'E' is no letter from A to D"),
        ("what,1,2,3,4,\n", r"law_test\.csv, line 1: the answer '' is no letter"),
        (" ,1,2,3,4,A\n", r"law_test\.csv, line 1: the question is empty"),
        ("", r"law_test\.csv: the file is empty"),
        ("id,question,A,B,C,D,answer,explanation\n", r"law_test\.csv: there is no question in it"),
        ("id,question,A,B,C,D\n0,what,1,2,3,4\n", r"line 1: there is no column 'answer' .* --split val"),
        ("id,question,A,answer\n0,what,1,A\n", r"line 1: there is one choice"),
        (
            "id,question,A,B,answer\n0,what,1,2,A\n1,what,1,B\n",
            r"line 3: has 4 fields where 5 .* wrong number of choices",
        ),
        ('what,"1,2,3,4,A\n', r"law_test\.csv, line 1: this row is no table row"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, content: str, sentence: str) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "law_test.csv").write_text(content)
    with pytest.raises(Refusal, match=sentence):
        read_subjects(tmp_path, shots=0)


def test_a_number_of_choices_that_a_header_names_is_taken(tmp_path: Path) -> None:
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "x.csv").write_text("id,question,A,B,C,D,E,answer\n0,what,1,2,3,4,5,e\n")
    (subject,) = read_subjects(tmp_path, shots=0)
    assert (subject.questions[0].choices, subject.questions[0].answer) == (("1", "2", "3", "4", "5"), 4)


def test_missing_examples_and_folders_are_refused(tmp_path: Path) -> None:
    write(tmp_path, "ceval", "val", "law", [("q", ("1", "2", "3", "4"), 0)])
    with pytest.raises(Refusal, match=r"test: there are no csv files, one a subject; choose by --split: val"):
        read_subjects(tmp_path)
    with pytest.raises(Refusal, match=r"dev/law_dev\.csv: there is no such file, .* --shots 0"):
        read_subjects(tmp_path, "val")
    write(tmp_path, "ceval", "dev", "law", [("q", ("1", "2", "3", "4"), 0)])
    with pytest.raises(Refusal, match=r"has 1 questions, and 5 are to be shown; give --shots 1"):
        read_subjects(tmp_path, "val")
    with pytest.raises(Refusal, match="there is no such folder"):
        read_subjects(tmp_path / "nowhere")
