"""How long a step takes by how its batches are dealt out, what hides, and how often data is learnt."""

from pathlib import Path
from typing import Any

import pytest

from danlu.apps.planning.foretell import Foretold
from danlu.apps.planning.planned import planned
from danlu.apps.planning.words import notes
from danlu.machine.accelerators import devices
from danlu.stages.recipe import read


def one(where: str, positions: int = 128, task: str = "causal_lm", **train: Any) -> Foretold:
    data: dict[str, Any] = {"kind": "jsonl", "path": "texts.jsonl"}
    architecture = "llama" if task == "causal_lm" else "bert"
    sizes = {"layers": 1, "width": 32, "heads": 2, "positions": positions, "dropout": 0}
    fit = {"kind": "train", "data": data, "tokenizer": "@vocab", "task": task, "train": {"batch_tokens": 2048} | train}
    fit |= {"model": {"kind": "scratch", "architecture": architecture, **sizes}}
    vocab = {"kind": "tokenizer", "data": data, "tokenizer": {"kind": "wordpiece", "size": 300}}
    recipe = read({"name": "large", "stages": {"vocab": vocab, "fit": fit}})
    (found,) = planned(recipe, Path("nowhere"), where=where, tokens=1e6)
    return found


def share(count: int, **how: Any) -> float:
    """Of the time of a step on one device, what it takes on several."""
    alone, several = (one(f"{each}xmine,memory=80,tflops=1", **how) for each in (1, count))
    return several.computing / alone.computing


@pytest.mark.parametrize(("accumulate", "batches"), [(8, 1), (9, 2), (16, 2), (6, 1), (3, 3 / 4)])
def test_a_step_takes_as_long_as_the_device_with_most_of_it(accumulate: int, batches: float) -> None:
    """Of sixteen rows: six are cut in two, which makes twelve halves for eight devices; three in 6, 5 and 5 rows."""
    assert share(8, accumulate=accumulate, steps=10) == pytest.approx(batches / accumulate)


def test_devices_that_no_row_is_left_for_take_no_time_off_and_are_told() -> None:
    long = {"positions": 2048, "steps": 10}
    assert share(8, **long) == pytest.approx(1.0)
    found = one("8xa100", **long)
    assert found.idle == 7
    assert [note for note in notes(found, str) if note.startswith("7 of 8 devices have no row of a usual step")]
    assert not one("8xa100", steps=10).idle
    assert not one("8xa100", positions=2048, task="masked_lm", steps=10).idle, "texts that are not known are shorter"


def test_what_is_sent_hides_with_fsdp_alone() -> None:
    assert one("4xa100", steps=10).terms.overlap == 0
    assert one("4xa100", steps=10, parallel="ddp").terms.overlap == 0
    assert one("4xa100", steps=10, parallel="fsdp").terms.overlap == 0.5


def test_how_often_the_tokens_of_the_data_are_learnt_is_told() -> None:
    found = one("a100")
    assert found.tokens == pytest.approx(3e6, rel=0.01)
    assert [note for note in notes(found, str) if "--tokens counts the data once; 3 times as many are learnt" in note]
    assert not [note for note in notes(one("a100", epochs=1), str) if "--tokens" in note]
    few = one("a100", steps=10)
    assert [note for note in notes(few, str) if "0.0205 times as many" in note]


def test_products_in_float32_are_planned_at_the_speed_of_float32() -> None:
    speeds = {name: devices(name)[1].speed("float32") for name in ("a100", "h100", "h200", "l40s", "4090", "v100")}
    assert speeds == {"a100": 19.5e12, "h100": 67e12, "h200": 67e12, "l40s": 91.6e12, "4090": 82.6e12, "v100": 15.7e12}
    assert devices("a100,tflops=156")[1].speed("float32") == pytest.approx(19.5e12 / 2)
    assert devices("mine,memory=48,tflops=200")[1].speed("float32") == pytest.approx(50e12)


def test_smaller_batches_that_are_proposed_take_what_they_then_take() -> None:
    """Also of gradients, which fsdp keeps whole where a device has several micro-batches of a step."""
    how: dict[str, Any] = {"parallel": "fsdp", "steps": 10}
    found = one("8xmine,memory=0.001,tflops=1", batch_tokens=2**14, accumulate=3, **how)
    (proposed, *_) = [each for each in found.remedies if each.keys.startswith("train.batch_tokens")]
    named = {pair.split("=")[0][6:]: int(pair.split("=")[1]) for pair in proposed.keys.split()}
    assert named["accumulate"] > 8
    assert one("8xmine,memory=0.001,tflops=1", **named, **how).held == pytest.approx(proposed.memory, rel=0.05)
