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
