"""The damage itself: the same seed is the same input, and it does damage."""

import random

import pytest
from mutations import mutated

SEEDS = {
    "json": b'{"a": [1, 2.5, null, "x"], "b": {"c": "\xe4\xb8\xad"}}',
    "jsonl": b'{"text": "a"}\n{"text": "b"}\n',
    "yaml": b"name: x\nstages:\n  prepare:\n    kind: prepare\n    data: a.csv\n",
    "csv": b'text,label\na,b\n"c,d",e\n',
    "text": b"one\ntwo\n",
    "bytes": bytes(range(256)),
}


@pytest.mark.parametrize("form", SEEDS)
def test_a_seed_names_an_input_and_most_inputs_differ(form: str) -> None:
    made = [mutated(SEEDS[form], form, random.Random(seed)) for seed in range(300)]
    assert made == [mutated(SEEDS[form], form, random.Random(seed)) for seed in range(300)]
    assert len(set(made)) > 150
    assert sum(data == SEEDS[form] for data in made) < 30
