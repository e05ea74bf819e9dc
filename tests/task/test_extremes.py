"""Numbers of tasks and policies: what would overflow is refused where it is written."""

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import ValidationError

from danlu.model.policy import Policy
from danlu.recipe.part import Part, find, kinds
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.task.tasks.classify import Classify
from danlu.task.tasks.regress import Regress

CHECKED_BESIDE_THE_DATA = {
    ("answer", "threshold"),  # compared with, and no more
    ("classify", "weights"),  # of label_weights
    ("classify", "label_weights"),
    ("classify", "head"),  # learnt
    ("regress", "mean"),
    ("regress", "deviation"),
    ("embed", "highest"),
    ("rank", "highest"),
    ("tag", "transitions"),
    ("tag_words", "transitions"),
}


def numbers(promise: type[Part]) -> Iterator[Any]:
    for kind in kinds(promise):
        part = find(promise, kind)
        for name, field in part.model_fields.items():
            if "float" in str(field.annotation):
                yield pytest.param(part, name, id=f"{kind}.{name}")


@pytest.mark.parametrize(("part", "name"), [*numbers(Policy), *numbers(Task)])
def test_every_number_has_bounds(part: type[Part], name: str) -> None:
    if (part.__module__.rpartition(".")[2], name) in CHECKED_BESIDE_THE_DATA:
        return
    field = part.model_fields[name]
    inner = [bound for kind in get_args(field.annotation) for bound in getattr(kind, "__metadata__", ())]
    bounds = [*field.metadata, *(bound for one in inner for bound in getattr(one, "metadata", [one]))]
    assert any(isinstance(bound, Ge | Gt) for bound in bounds)
    assert any(isinstance(bound, Le | Lt) for bound in bounds)
    for extreme in (1e308, -1e308):
        with pytest.raises(ValidationError):
            part.model_validate({name: {"a": extreme} if "dict" in str(field.annotation) else extreme})


def test_numbers_that_are_too_far_from_the_data_are_refused() -> None:
    records = [{"text": "a", "score": 1.0, "label": "x"}, {"text": "b", "score": 2.0, "label": "y"}]
    with pytest.raises(Refusal, match=r"record 1: the score 1 is more than 1e.06 times the task's 'deviation'"):
        Regress(deviation=1e-300).fitted(records)
    with pytest.raises(Refusal, match=r"task.mean has no effect without 'deviation'"):
        Regress(mean=3.0).fitted(records)
    fitted = Regress().fitted(records)
    assert fitted.fitted(records) == fitted
    with pytest.raises(Refusal, match=r"'x' weighs 1e.300; expected numbers from 0 to 1e.06"):
        Classify(label_weights={"x": 1e300}).fitted(records)
