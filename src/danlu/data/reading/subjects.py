"""Multiple-choice examinations as they are published: a csv a subject, in folders named dev, val and test.

- MMLU (Hendrycks et al., 2021): no header; question, four choices, letter; `test/anatomy_test.csv`.
- C-Eval (Huang et al., 2023): `id,question,A,B,C,D,answer,explanation`; its test split is without answers.
- CMMLU (Li et al., 2023): a column without a name, `Question,A,B,C,D,Answer`; `test/anatomy.csv`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from string import ascii_uppercase
from typing import Literal

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.lines import lines
from danlu.data.reading.source_file import find_source
from danlu.data.reading.table import Fields, quoted_rows
from danlu.recipe.part import nearest
from danlu.refusal import Refusal

Layout = Literal["mmlu", "ceval", "cmmlu"]

EXAMPLES = "dev"
"""The split whose questions are shown with their answers."""

SPLITS = ("test", "val", "dev")


@dataclass(frozen=True)
class Question:
    """A question with its choices; `answer` is the place of the right one, from 0, `where` its file and line."""

    text: str
    choices: tuple[str, ...]
    answer: int
    where: str

    @property
    def letters(self) -> str:
        """A letter for each choice."""
        return ascii_uppercase[: len(self.choices)]


@dataclass(frozen=True)
class Subject:
    """The questions of one subject, and those that are shown before them."""

    name: str
    layout: Layout
    questions: tuple[Question, ...]
    examples: tuple[Question, ...]


def read_subjects(folder: Path, split: str = "test", *, shots: int = 5, only: Sequence[str] = ()) -> list[Subject]:
    """The subjects of a folder in the order of their names, each with its first `shots` questions of dev.

    Raises:
        Refusal: a folder, a file or a subject of `only` is not there, or a row is wrong; names the file and the line.
    """
    files = _files(folder, split)
    for name in only:
        if name not in files:
            known = list(files)
            raise Refusal(
                f"{folder / split}: there is no subject '{name}'{nearest(name, known)}; there are: "
                f"{', '.join(known[:80])}"
            )
    found = []
    for name in dict.fromkeys(only or files):
        layout, questions = _read(files[name])
        examples: tuple[Question, ...] = ()
        if shots:
            examples = _read(_examples(folder, name))[1][:shots]
            if len(examples) < shots:
                raise Refusal(
                    f"{_examples(folder, name)}: has {len(examples)} questions, and {shots} are to be shown; give "
                    f"--shots {len(examples)}"
                )
        found.append(Subject(name, layout, questions, examples))
    return found


def _files(folder: Path, split: str) -> dict[str, Path]:
    """The file of each subject."""
    if not folder.is_dir():
        raise Refusal(f"{folder}: there is no such folder; give the one that holds dev/ and test/, a csv a subject")
    inside = folder / split
    files = sorted(inside.glob("*.csv")) if inside.is_dir() else []
    if not files:
        there = [name for name in SPLITS if any((folder / name).glob("*.csv"))]
        remedy = f"choose by --split: {', '.join(there)}" if there else "give the folder that holds dev/ and test/"
        raise Refusal(f"{inside}: there are no csv files, one a subject; {remedy}")
    return {file.stem.removesuffix(f"_{split}"): file for file in files}


def _examples(folder: Path, name: str) -> Path:
    places = (folder / EXAMPLES / f"{name}_{EXAMPLES}.csv", folder / EXAMPLES / f"{name}.csv")
    for place in places:
        if place.is_file():
            return place
    raise Refusal(
        f"{places[0]}: there is no such file, and examples of the subject '{name}' are to be shown; put it there, or "
        "give --shots 0"
    )


def _read(file: Path) -> tuple[Layout, tuple[Question, ...]]:
    source = find_source(str(file))
    stop = BadRows(stop=True)
    rows: Iterator[Fields] = (
        row for row in quoted_rows(lines(source, bad_rows=stop), ",", source.name, stop) if any(map(str.strip, row[1]))
    )
    first = next(rows, None)
    header = _header(source.name, first[1]) if first else None
    if first and header is None:
        rows = chain([first], rows)
    questions = tuple(_with_header(source.name, header, rows) if header else _without_header(source.name, rows))
    if not questions:
        raise Refusal(f"{file}: there is no question in it; fetch it again, or leave the subject out by --subject")
    if header is None:
        return "mmlu", questions
    return "ceval" if "id" in header else "cmmlu", questions


def _header(name: str, row: Sequence[str]) -> dict[str, int] | None:
    """Where each column stands, by its name in small letters; None where the first row is a question."""
    columns = {column.strip().lower(): place for place, column in enumerate(row)}
    if "question" not in columns or "a" not in columns:
        return None
    if "answer" not in columns:
        raise Refusal(
            f"{name}, line 1: there is no column 'answer' ({', '.join(row)}), as in the test split of C-Eval, whose "
            "answers are not published; give --split val"
        )
    if "b" not in columns:
        raise Refusal(f"{name}, line 1: there is one choice, and a question has two or more; name columns A, B, C, D")
    return columns


def _with_header(name: str, header: dict[str, int], rows: Iterator[Fields]) -> Iterator[Question]:
    letters = [letter for number, letter in enumerate(ascii_uppercase) if _in_a_row(header, number)]
    for number, row in rows:
        where = f"{name}, line {number:,}"
        if len(row) != len(header):
            raise Refusal(
                f"{where}: has {len(row)} fields where {len(header)} columns are named, so it has a wrong number of "
                f"choices; give it {len(letters)}, and quote fields that hold a comma"
            )
        choices = tuple(row[header[letter.lower()]].strip() for letter in letters)
        yield _question(row[header["question"]], choices, row[header["answer"]], where)


def _in_a_row(header: dict[str, int], number: int) -> bool:
    return all(letter.lower() in header for letter in ascii_uppercase[: number + 1])


def _without_header(name: str, rows: Iterator[Fields]) -> Iterator[Question]:
    for number, row in rows:
        where = f"{name}, line {number:,}"
        if len(row) != 6:
            raise Refusal(
                f"{where}: has {len(row)} fields, and without a header a row is a question, four choices and the "
                "letter of the right one (6 fields); mend the row, and quote fields that hold a comma"
            )
        yield _question(row[0], tuple(map(str.strip, row[1:5])), row[5], where)


def _question(text: str, choices: tuple[str, ...], answer: str, where: str) -> Question:
    letters = ascii_uppercase[: len(choices)]
    letter = answer.strip().upper()
    if len(letter) != 1 or letter not in letters:
        raise Refusal(f"{where}: the answer {answer!r:.40} is no letter from A to {letters[-1]}; mend the row")
    if not text.strip():
        raise Refusal(f"{where}: the question is empty; mend the row")
    return Question(text.strip(), choices, letters.index(letter), where)
