"""What every form of answers must keep, whatever it is."""

import csv
import io
import json
import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from danlu.answer.answer import Answer
from danlu.answer.sheet import Sheet
from danlu.answer.shown import marked, shortened
from danlu.evaluate.classical.baseline import Baseline
from danlu.evaluate.scoring.metric import measures
from danlu.machine.terminal import visible
from danlu.recipe.part import find, kinds
from danlu.task.task import Task

TEXT = "李白在长安 wrote =SUM(A1)"
NAMES = some.text(some.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
SHARES = some.floats(0, 1)
NUMBERS = some.floats(-1e6, 1e6)


@some.composite
def spans(draw):
    cuts = draw(some.lists(some.integers(0, len(TEXT)), unique=True, max_size=8).map(sorted))
    pairs = list(zip(cuts[::2], cuts[1::2], strict=False))
    return [
        {"start": start, "end": end, "label": draw(NAMES), "text": TEXT[start:end], "score": draw(SHARES)}
        for start, end in pairs
    ]


@some.composite
def choices(draw):
    scores = draw(some.lists(SHARES, min_size=1, max_size=5))
    return {"choice": draw(some.integers(0, len(scores) - 1)), "option": draw(NAMES), "scores": scores}


@some.composite
def labels(draw):
    scores = draw(some.dictionaries(NAMES, SHARES, max_size=5))
    return {"labels": [name for name in scores if draw(some.booleans())], "scores": scores}


@some.composite
def rankings(draw):
    names = draw(some.lists(NAMES, unique=True, max_size=8))
    return {"ranking": names, "scores": [draw(NUMBERS) for _ in names]}


@some.composite
def excerpts(draw):
    cuts = draw(some.lists(some.integers(0, len(TEXT)), unique=True, min_size=2, max_size=6).map(sorted))
    answers = [
        {"text": TEXT[start:end], "start": start, "end": end, "score": draw(SHARES)} for start, end in pairwise(cuts)
    ]
    nothing = {"text": "", "start": None, "end": None, "score": draw(SHARES)}
    return {**draw(some.sampled_from([*answers, nothing])), "answers": answers}


def preferences(margin, total):
    preferred = "chosen" if margin > 0 else "rejected"
    return {"preferred": preferred, "margin": margin, "log_probabilities": [total, total - margin]}


PREDICTIONS = {
    "excerpt": excerpts(),
    "label": some.builds(lambda name, share: {"label": name, "scores": {name: share}}, NAMES, SHARES),
    "labels": labels(),
    "number": some.builds(lambda number: {"number": number}, NUMBERS),
    "spans": spans().map(lambda entities: {"entities": entities}),
    "choice": choices(),
    "text": some.builds(lambda text, score: {"text": text, "score": score}, NAMES, SHARES),
    "ranking": rankings(),
    "likelihood": some.builds(
        lambda total, tokens: {"negative_log_likelihood": total, "tokens": tokens, "perplexity": None},
        NUMBERS.map(abs),
        some.integers(0, 500),
    ),
    "preference": some.builds(preferences, NUMBERS, NUMBERS),
    "vector": some.lists(NUMBERS, min_size=3, max_size=3).map(lambda numbers: {"vector": numbers}),
}
FORMS = {kind: find(Answer, kind)() for kind in PREDICTIONS}
HOSTILE = "\x1b[2J\u202e\r\n\tlabel"


def test_every_form_is_here():
    assert sorted(PREDICTIONS) == kinds(Answer)
    assert len(PREDICTIONS) == 11


def of_each_form(function):
    """A property of every form."""
    return pytest.mark.parametrize("kind", PREDICTIONS)(settings(max_examples=settings().max_examples // 2)(function))


@of_each_form
@given(data=some.data())
def test_a_value_survives_json_and_so_does_a_prediction(kind, data):
    form, prediction = FORMS[kind], data.draw(PREDICTIONS[kind])
    value = form.value(prediction)
    assert form.read(json.loads(json.dumps(form.plain(value)))) == value
    assert form.value(json.loads(json.dumps(prediction))) == value
    assert hash(value) == hash(form.value(prediction))
    json.dumps(form.told(value))


@of_each_form
@given(data=some.data())
def test_what_says_the_same_is_right_and_not_wrong(kind, data):
    form, prediction, other = FORMS[kind], data.draw(PREDICTIONS[kind]), data.draw(PREDICTIONS[kind])
    value = form.value(prediction)
    assert form.right(value, value)
    wrong, surely = form.wrong(value, other)
    assert wrong >= 0
    assert math.isfinite(surely)
    if kind == "likelihood":  # never simply wrong
        assert wrong == (form.value(other)[1] > 0)
    elif kind == "vector":
        assert 0 <= wrong <= 2 + 1e-9
        assert form.wrong(value, prediction)[0] == (0 if any(value) else 1)
    elif kind == "ranking":
        assert form.wrong(((prediction["ranking"][0], 1.0),) if prediction["ranking"] else (), prediction)[0] == 0
    else:
        assert form.wrong(value, prediction)[0] == 0
        assert (wrong == 0) == form.right(value, form.value(other))


@of_each_form
@given(data=some.data())
def test_marks_are_those_of_the_value(kind, data):
    form, prediction = FORMS[kind], data.draw(PREDICTIONS[kind])
    marks = form.marks(form.value(prediction))
    assert all(isinstance(label, str) for _, label in marks)
    held = {"label": 1, "labels": len(set(prediction.get("labels", ()))), "spans": len(prediction.get("entities", ()))}
    assert len(marks) == held.get(kind, 0)


@of_each_form
@given(data=some.data(), text=some.text(some.characters(), max_size=20))
def test_a_prediction_is_one_line_that_steers_no_terminal(kind, data, text):
    form, prediction = FORMS[kind], data.draw(PREDICTIONS[kind])
    line = form.line(prediction, TEXT + text)
    assert "\n" not in line
    assert line == visible(line)
    assert line.count("\t") == len(form.fields(prediction, TEXT)) - 1


@of_each_form
@given(data=some.data(), text=some.text(some.characters(exclude_categories=["Cs"]), max_size=20))
def test_a_csv_holds_the_record_and_the_answer_to_the_letter(kind, data, text):
    form, sheet = FORMS[kind], Sheet(FORMS[kind])
    prediction = data.draw(PREDICTIONS[kind])
    record = {"text": text, "label": HOSTILE, "entities": "=1+1"}
    rows = list(csv.reader(io.StringIO(sheet.rows(record, prediction) + "\n", newline="")))
    assert len(rows) == 2
    assert dict(zip(*rows, strict=True)) == {
        **record,
        **{f"predicted_{name}": "" if v is None else str(v) for name, v in form.columns(prediction).items()},
    }


@of_each_form
@given(data=some.data())
def test_the_worst_are_shown_under_headings(kind, data):
    form, prediction, other = FORMS[kind], data.draw(PREDICTIONS[kind]), data.draw(PREDICTIONS[kind])
    truth = form.value(other)
    cells = form.cells(TEXT, form.told(truth), prediction, *form.wrong(truth, prediction))
    assert len(cells) == len(form.headings(lambda text: text).names)
    for line in cells[0].lines:
        assert "".join(piece.text for piece in line) == TEXT


@pytest.mark.parametrize("kind", PREDICTIONS)
def test_only_forms_that_name_characters_change_with_a_text_that_was_rewritten(kind):
    form = FORMS[kind]
    entity = {"start": 1, "end": 2, "label": "x", "text": "b"}
    prediction = {"entities": [entity, entity | {"start": 7, "end": 8}], "tags": ["O"]}
    if kind == "excerpt":
        gone, here = (
            {"text": "?", "start": 7, "end": 8, "score": 0.5},
            {"text": "b", "start": 1, "end": 2, "score": 0.25},
        )
        prediction = {**gone, "answers": [gone, here]}
    given_back = form.as_given(prediction, "abc", lambda start, end: (start + 1, end + 1) if start < 5 else None)
    moved = [{"start": 2, "end": 3, "label": "x", "text": "c"}]
    if kind == "excerpt":
        there = {"text": "c", "start": 2, "end": 3, "score": 0.25}
        assert given_back == {**there, "answers": [there]}
    else:
        assert given_back == (prediction | {"entities": moved} if form.of_characters else prediction)


@pytest.mark.parametrize("kind", ["label", "labels"])
def test_scores_come_in_the_order_of_the_labels(kind):
    prediction = {"label": "a", "labels": ["a"], "scores": {"b": 0.25, "a": 0.75}}
    assert FORMS[kind].scores(prediction, ("a", "never", "b")) == [0.75, 0.0, 0.25]


@pytest.mark.parametrize(
    ("kind", "prediction", "line"),
    [
        ("label", {"label": "好", "scores": {"好": 0.98765}}, "好\t0.988\ttext"),
        ("labels", {"labels": ["a", "b"], "scores": {"a": 0.5}}, "a 0.500, b\ttext"),
        ("labels", {"labels": []}, "-\ttext"),
        ("number", {"number": 3.14159}, "3.142\ttext"),
        ("spans", {"entities": [{"start": 1, "end": 3, "label": "x", "text": "ex"}]}, "t[ex x]t"),
        ("choice", {"choice": 1, "scores": [0.25, 0.75]}, "1\t0.750\ttext"),
        ("text", {"text": "in\n1998"}, "in\\n1998\ttext"),
        ("excerpt", {"text": "1998", "score": 0.5}, "1998\t0.500\ttext"),
        ("excerpt", {"text": "", "score": 0.75}, "-\t0.750\ttext"),
        ("ranking", {"ranking": list("abcdef"), "scores": [0.0] * 6}, "a, b, c, d, e, …\ttext"),
        ("likelihood", {"negative_log_likelihood": 2.0, "tokens": 0, "perplexity": None}, None),
        ("vector", {"vector": [0.5, 1, 2, 3, 4]}, "0.5 1 2 3 … (5)\ttext"),
    ],
)
def test_lines_to_read(kind, prediction, line):
    line = line or "negative_log_likelihood 2\ttokens 0\ttext"
    assert FORMS[kind].line(prediction, "text") == line


def test_a_text_is_right_where_it_is_one_of_the_right_ones_and_a_ranking_by_its_first():
    assert FORMS["text"].wrong(("1998", "in 1998"), {"text": "in 1998", "score": 0.5}) == (0, 0.5)
    assert FORMS["text"].wrong((), {"text": "1998", "score": None}) == (1, 0.0)
    truth = (("a", 0.0), ("b", 2.0))
    assert FORMS["ranking"].wrong(truth, {"ranking": ["a", "c", "b"], "scores": [3, 2, 1]}) == (1 - 1 / 3, 3.0)
    assert FORMS["ranking"].wrong(truth, {"ranking": [], "scores": []}) == (1.0, 0.0)


def test_spans_stand_where_they_are_and_tell_what_the_other_side_shares():
    true, found = [(0, 2, "PER"), (3, 5, "LOC")], [(0, 2, "PER")]
    pieces = marked("李白在长安", true, found)
    assert [(piece.text, piece.label, piece.shared) for piece in pieces] == [
        ("李白", "PER", True),
        ("在", "", False),
        ("长安", "LOC", False),
    ]
    assert shortened(pieces, 3) == (pieces[:2], True)
    assert shortened(pieces, 4) == (pieces, False)
    assert shortened(marked("字" * 500, [], []), 400) == ((replace(pieces[1], text="字" * 400),), True)


@pytest.mark.parametrize("kind", kinds(Task))
def test_a_task_its_metrics_and_its_baseline_agree_on_the_form(kind):
    task = find(Task, kind)()
    assert {task.answer_form, task.examined_as} <= set(kinds(Answer))
    assert [*measures(task.metrics, task.examined_as)] == [*task.metrics]
    if task.baseline is not None:
        assert find(Baseline, task.baseline).answer_form == task.examined_as
