"""What of a recipe is to become best."""

import json
from pathlib import Path
from typing import Any

import pytest

from danlu.refusal import Refusal
from danlu.stages.recipe import Recipe
from danlu.trials.objective import best_validation, objective_of


def recipe_of(task: Any) -> Recipe:
    stage = {"kind": "train", "data": {"kind": "jsonl", "path": "a"}, "model": {"kind": "scratch"}, "task": task}
    return Recipe.model_validate({"name": "a", "stages": {"model": stage}})


@pytest.mark.parametrize(
    ("task", "metric"),
    [
        ("classify", "macro_f1"),
        ({"kind": "rank", "lists": True}, "ndcg_at_k"),
        ({"kind": "rank", "lists": False}, "spearman"),
        ({"kind": "embed", "scored": True}, "spearman"),
        ({"kind": "embed", "scored": False}, "ndcg_at_k"),
    ],
)
def test_a_training_is_chosen_by_the_first_metric_of_its_task(task: Any, metric: str) -> None:
    found = objective_of(recipe_of(task))
    assert (found.stage, found.metric, found.chosen_by) == ("model", metric, metric)


@pytest.mark.parametrize(("kind", "key"), [("rank", "lists"), ("embed", "scored")])
def test_where_only_the_records_decide_it_the_task_is_to_say(kind: str, key: str) -> None:
    with pytest.raises(Refusal, match=f"write the task's '{key}', true or false"):
        objective_of(recipe_of(kind))


def test_weights_that_have_forgotten_too_much_are_no_best(tmp_path: Path) -> None:
    lines = [{"step": 6, "validation": {"accuracy": 0.7}}, {"step": 12, "validation": {"accuracy": 0.95}, "lost": True}]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    assert best_validation(tmp_path) == {"accuracy": 0.7}
