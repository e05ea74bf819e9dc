"""Records and answers as csv: nothing is lost or altered without a word."""

import csv
import io

import pytest

from danlu.answer.answer import Answer
from danlu.answer.sheet import Sheet
from danlu.recipe.part import find
from danlu.refusal import Refusal

PREDICTION = {"label": "good", "scores": {"good": 0.75, "bad": 0.25}}


def sheet():
    return Sheet(find(Answer, "label")())


def test_the_first_row_comes_under_the_names_of_the_columns():
    written = sheet()
    first = written.rows({"id": 7, "text": 'a "b",\nc', "tokens": ["甲"], "flag": True}, PREDICTION)
    second = written.rows({"text": "d"}, {"label": "bad"})
    assert list(csv.reader(io.StringIO(f"{first}\n{second}\n", newline=""))) == [
        ["id", "text", "tokens", "flag", "predicted_label", "predicted_score"],
        ["7", 'a "b",\nc', '["甲"]', "true", "good", "0.75"],
        ["", "d", "", "", "bad", ""],
    ]


def test_a_column_that_would_be_lost_is_refused():
    with pytest.raises(Refusal, match=r"record 1: the answer would be written to the column 'predicted_label'"):
        sheet().rows({"predicted_label": "x"}, PREDICTION)
    written = sheet()
    written.rows({"text": "a"}, PREDICTION)
    with pytest.raises(Refusal, match=r"record 2: the column 'more' does not stand in the first record"):
        written.rows({"text": "a", "more": 1}, PREDICTION)


@pytest.mark.parametrize(
    ("cell", "counted"),
    [
        ("=1+1", 1),
        ("+cmd", 1),
        ("@SUM(A1)", 1),
        ("－１＋２", 1),
        ("-5", 0),
        ("+86", 0),
        ("-1e3", 0),
        (-5, 0),
        ("a=b", 0),
    ],
)
def test_what_a_spreadsheet_takes_for_a_formula_is_counted_and_left_as_it_is(cell, counted):
    written = sheet()
    row = written.rows({"text": cell}, PREDICTION).split("\n")[1]
    assert row == f"{cell},good,0.75"
    assert written.formulas == counted
