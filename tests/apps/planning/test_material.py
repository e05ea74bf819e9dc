"""Which networks a plan counts beside the one that learns."""

from pathlib import Path
from typing import Any

import pytest

from danlu.apps.planning.foretell import Foretold
from danlu.apps.planning.planned import planned
from danlu.stages.recipe import read


def preferring(objective: str, tuning: str) -> Foretold:
    data: dict[str, Any] = {"kind": "jsonl", "path": "pairs.jsonl"}
    model = {"kind": "scratch", "architecture": "llama", "layers": 1, "width": 32, "heads": 2, "positions": 64}
    fit = {"kind": "train", "data": data, "tokenizer": "@vocab", "model": model, "train": {"precision": "bfloat16"}}
    fit |= {"task": {"kind": "prefer", "objective": objective}, "tuning": tuning}
    vocab = {"kind": "tokenizer", "data": data, "tokenizer": {"kind": "bpe", "size": 300}}
    recipe = {"name": "preferred", "stages": {"vocab": vocab, "fit": fit}}
    (found,) = planned(read(recipe), Path("nowhere"), where="a100", tokens=1e6)
    return found


@pytest.mark.parametrize("tuning", ["full", "lora"])
def test_a_reference_is_computed_where_the_loss_has_one_and_held_where_it_is_a_copy(tuning: str) -> None:
    with_one, without = preferring("dpo", tuning), preferring("orpo", tuning)
    assert "frozen" not in without.memory
    assert 1.6 < with_one.work.forward / without.work.forward < 2.1  # with lora it has no updates to compute
    assert with_one.memory.get("frozen", 0) == (2 * with_one.size.parameters if tuning == "full" else 0)
