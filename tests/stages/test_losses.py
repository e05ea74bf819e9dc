"""What a training is told that it does not see, with what would help and the task has."""

import numpy as np
import pytest

from danlu.recipe.part import find
from danlu.stages.losses import say_losses
from danlu.task.task import Task
from danlu.text.batching.encoded import Encoded, Row


@pytest.mark.parametrize(
    ("kind", "fields", "named"),
    [
        ("tag", {"units": "first"}, {"units: tokens", "cut: characters"}),
        ("tag", {"units": "tokens"}, {"cut: characters"}),
        ("tag", {"units": "tokens", "cut": "characters"}, set()),
        ("tag_words", {}, {"cut: characters"}),
        ("answer", {}, {"cut: characters"}),
        ("answer", {"cut": "characters"}, set()),
    ],
)
def test_spans_with_borders_inside_tokens_name_what_the_task_has(
    kind: str, fields: dict[str, str], named: set[str]
) -> None:
    task, lines = find(Task, kind)(**fields), list[str]()  # type: ignore[type-abstract]
    say_losses(lines.append, [Encoded(0, (Row(np.zeros(3, np.int32)),), widened=2)], 1, task)
    assert len(lines) == 1
    assert lines[0].startswith("2 spans have borders inside a token")
    assert "a tokenizer with smaller pieces" in lines[0]
    assert {remedy for remedy in ("units: tokens", "cut: characters") if remedy in lines[0]} == named


def test_answers_that_are_longer_than_one_may_be_are_told() -> None:
    task, lines = find(Task, "answer")(longest_answer=3), list[str]()  # type: ignore[type-abstract]
    rows = [
        Encoded(number, (Row(np.zeros(9, np.int32)),), {"start": 2, "end": end}) for number, end in ((0, 4), (1, 5))
    ]
    say_losses(lines.append, rows, 2, task)
    assert lines == [
        "1 answers have more tokens than the task's 'longest_answer', so they are learnt and never given; raise it"
    ]


@pytest.mark.parametrize(("too_long", "named"), [("truncate", True), ("split", False)])
def test_what_is_set_already_is_no_advice(too_long: str, named: bool) -> None:
    task, lines = find(Task, "tag")(too_long=too_long), list[str]()  # type: ignore[type-abstract]
    say_losses(lines.append, [Encoded(0, (Row(np.zeros(3, np.int32)),), cut=2)], 1, task)
    assert ("'too_long' to split" in lines[0]) is named
