"""What people write as a floor."""

import pytest

from danlu.compress.floor import floor_of
from danlu.refusal import Refusal
from danlu.task.task import Task


def floor(text, task="classify"):
    return floor_of(text, Task.model_validate(task))


@pytest.mark.parametrize(
    ("text", "task", "original", "at"),
    [
        ("accuracy -0.5", "classify", 0.9, 0.895),
        ("accuracy−1 point", "classify", 0.9, 0.89),
        ("  macro_f1  -2 points ", "classify", 0.5, 0.48),
        ("accuracy -0", "classify", 0.9, 0.9),
        ("accuracy 0.87", "classify", 0.9, 0.87),
        ("accuracy >= .87", "classify", 0.9, 0.87),
        ("mae +0.25", "regress", 1.5, 1.75),
        ("mae <= 2", "regress", 1.5, 2.0),
        ("perplexity +3", "causal_lm", 20.0, 23.0),
        ("bleu -0.5", "translate", 30.0, 29.5),
        ("accuracy >= 87 %", "classify", 0.9, 0.87),
        ("ece <= 0.5 %", "classify", 0.01, 0.005),
        ("accuracy >= 1 point", "classify", 0.9, 0.01),
        ("mae <= 0.5 points", "regress", 1.5, 0.5),
        ("accuracy -0.5 %", "classify", 0.9, 0.895),
    ],
)
def test_a_floor_lies_where_it_says(text, task, original, at):
    found = floor(text, task)
    assert found.at(original) == pytest.approx(at)
    worse = -1e-3 if found.higher_is_better else 1e-3
    assert found.holds(at, original)
    assert found.holds(at - worse, original)
    assert not found.holds(at + worse, original)


def test_rounding_does_not_break_a_floor():
    half_a_point = floor("accuracy -0.5")
    assert all(half_a_point.holds((count - 5) / 1000, count / 1000) for count in range(5, 1001))
    assert not any(half_a_point.holds((count - 6) / 1000, count / 1000) for count in range(6, 1001))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("acuracy -0.5", "did you mean 'accuracy'"),
        ("bleu -0.5", "the task classify is measured by macro_f1, accuracy"),
        ("accuracy", "how far it may fall, such as 'macro_f1 -0.5'"),
        ("-0.5", "expected a metric"),
        ("accuracy -0.5 -0.6", "expected a metric"),
        ("accuracy +0.5", "written 'accuracy -0.5'"),
        ("accuracy 90", "write 'accuracy 0.9' for 90 %"),
        ("accuracy 0.5 points", "write 'accuracy -0.5' for a change from the original, or 'accuracy >= 0.005'"),
        ("accuracy 1%", "without a sign may be a change or a value"),
        ("accuracy 1%", "or 'accuracy >= 1 %' for a value"),
        ("accuracy <= 0.9", "on the other side of a floor; write 'accuracy >= 0.9'"),
        ("accuracy <= 95", "write 'accuracy 0.95' for 95 %"),
        ("accuracy 150 %", "write a number in between"),
        ("accuracy <= 90 %", "on the other side of a floor; write 'accuracy >= 90 %'"),
        ("accuracy >= 150 %", "lies between 0 and 1, or 0 and 100 %; write a number in between"),
        ("accuracy >= 0.9 points", "a value of 0.009; write 'accuracy >= 0.009' .* or 'accuracy >= 0.9' for 90 %"),
        ("accuracy >= 0.9 %", "0.9 % is a value of 0.009"),
        ("accuracy -nan", "expected a metric"),
        ("", "expected a metric"),
    ],
)
def test_what_is_no_floor_is_refused_with_what_would_be_one(text, words):
    with pytest.raises(Refusal, match=words):
        floor(text)


def test_of_what_is_better_low_the_floor_lies_above():
    with pytest.raises(Refusal, match=r"written 'mae \+0\.5'"):
        floor("mae -0.5", "regress")


def test_what_is_best_between_other_values_has_no_floor():
    for text in ("length_ratio -0.1", "length_ratio +0.1", "length_ratio 0.9"):
        with pytest.raises(
            Refusal, match="length_ratio is best at 1 and worse on both sides of it, so it has no floor"
        ):
            floor(text, "rewrite")
