"""Steps that are not finite are left out and written aside, spikes are told, and a training goes back exactly."""

import json
import math
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from transformers import BertConfig, BertForSequenceClassification

from danlu.refusal import Refusal
from danlu.text.batching.batch import Batch
from danlu.train.events import Ended, Event, Noticed, Returned, Stepped
from danlu.train.finite import FILES, BadBatches, all_finite
from danlu.train.progress import TrainingBar
from danlu.train.recorders.jsonl import read
from danlu.train.run import TrainingRun
from danlu.train.spikes import FEWEST, threshold
from danlu.tuning.method import Method

Made = Callable[..., TrainingRun]


@pytest.fixture(scope="module")
def a_run(made_run: Made) -> Made:
    """A function that makes a training whose loss is multiplied in some groups of the data, by their number."""

    def make(folder: Path, spoilt: Mapping[int, float] = {}, **fields: Any) -> TrainingRun:
        torch.manual_seed(3)
        sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        config = BertConfig(vocab_size=60, max_position_embeddings=16, num_labels=3, **sizes)
        method = Method.model_validate("full")
        plain = {"steps": 8, "schedule": "constant", "warmup": 0.0, "rate": 1e-3, "checkpoint_seconds": 1e-9}
        run = made_run(method.apply(BertForSequenceClassification(config)), method, folder, **(plain | fields))
        loss = run.loss

        def spoilt_loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
            factor = spoilt.get(run.state.step + run.guard.standing.offset, 1.0)
            return {name: value * factor for name, value in loss(model, batch).items()}

        run.loss = spoilt_loss
        return run

    return make


def held(run: TrainingRun) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in run.parameters.state(run.optimizer).items()}


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def ended(run: TrainingRun) -> dict[str, Tensor]:
    """The weights that it ends with, and how it stands."""
    *_, last = run.events()
    assert isinstance(last, Ended)
    return {name: value.clone() for name, value in last.best.weights.items()}


@pytest.mark.parametrize("optimizer", ["adamw", "muon"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_step_that_is_not_finite_moves_nothing_and_its_batch_is_written_aside(
    a_run: Made, tmp_path: Path, bad: float, optimizer: str
) -> None:
    run, told, states = a_run(tmp_path, {3: bad}, optimizer=optimizer), list[Event](), list[dict[str, Tensor]]()
    run.guard.batches._spell = lambda ids: " ".join(map(str, ids))

    def watch(event: Event) -> None:
        told.append(event)
        states.append(held(run))

    best = run.train("run", None, watch)
    taken = [event.step.taken for event in told if isinstance(event, Stepped)]
    assert taken == [True, True, True, False, True, True, True, True]
    after = [state for event, state in zip(told, states, strict=True) if isinstance(event, Stepped)]
    assert same(after[2], after[3])
    assert not same(after[3], after[4])
    (notice,) = (event for event in told if isinstance(event, Noticed))
    assert notice.told.startswith(f"step 3: the loss is {bad}")
    assert "so it is left out; its batch is in " in notice.told
    assert best.left_out == (3,)
    (file,) = (tmp_path / "bad-batches").iterdir()
    written = json.loads(file.read_text(encoding="utf-8"))
    assert (file.name, written["step"], written["loss"]) == ("step-00000003-batch-00000003.json", 3, str(bad))
    (batch,) = written["batches"]
    ids = batch["tensors"]["input_ids"]
    assert tuple(ids["shape"]) == np.array(ids["values"]).shape
    assert batch["texts"] == [" ".join(map(str, row)) for row in ids["values"]]
    assert len(batch["examples"]) == ids["shape"][0]
    lines = [line for line in read(tmp_path / "log.jsonl") if "event" in line]
    assert lines == [{"step": 4, "epoch": lines[0]["epoch"], "event": "left_out", "loss": str(bad),
                      "gradient_norm": lines[0]["gradient_norm"]}]  # fmt: skip


def test_a_line_of_steps_that_are_left_out_has_no_loss(a_run: Made, tmp_path: Path) -> None:
    run = a_run(tmp_path, {3: math.nan})
    bar = TrainingBar("run", 8, 0, shown=True)
    run.train("run", None, bar.show)
    lines = [line for line in read(tmp_path / "log.jsonl") if "event" not in line]
    assert [line["step"] for line in lines if "rate" in line] == [*range(1, 9)]
    assert [line["step"] for line in lines if not {"loss", "gradient_norm"} <= line.keys()] == [4]


def test_several_in_a_row_end_it_and_the_last_checkpoint_is_good(a_run: Made, tmp_path: Path) -> None:
    """Those that others lie between are not in a row; what goes on from there ends in the same way."""
    spoilt = dict.fromkeys((1, 3, 4, 6, 7), math.nan)
    for _ in range(2):
        run = a_run(tmp_path, spoilt | {8: math.nan}, steps=20, bad_steps=3)
        with pytest.raises(Refusal, match=r"step 8: .* 3 such steps in a row; its batch is in .*; the last checkpoint"):
            run.train("run", None)
        assert run.state.step == 8
        again = a_run(tmp_path, spoilt, steps=20, bad_steps=3)
        assert again.state.step == 8
        assert all_finite(again.parameters.values())
        assert (again.guard.standing.bad, again.guard.standing.left_out) == (2, [1, 3, 4, 6, 7])
    assert same(ended(a_run(tmp_path / "whole", spoilt, steps=20)), ended(again))


@pytest.mark.parametrize("steps", [4, 8])
def test_weights_that_are_not_finite_end_it_at_once_and_are_never_saved(
    a_run: Made, tmp_path: Path, steps: int
) -> None:
    """Also those of the last step."""
    run = a_run(tmp_path, steps=steps)

    def spoil(event: Event) -> None:
        if isinstance(event, Stepped) and event.step.number == 3:
            run.parameters.values()[0][0] = math.inf

    with pytest.raises(Refusal, match=r"the weights .*no finite numbers any more"):
        run.train("run", None, spoil)
    assert a_run(tmp_path).state.step == 3


def test_an_overflow_of_float16_is_ordinary_until_its_scale_is_at_the_floor(a_run: Made, tmp_path: Path) -> None:
    run = a_run(tmp_path, precision="float16", bad_steps=1, steps=30, checkpoint_seconds=1e9)
    assert run.scaler is not None
    run.scaler.scale = 2.0**40
    events = list(run.events())
    lost = sum(not event.step.taken for event in events if isinstance(event, Stepped))
    assert lost > 5
    assert not any(isinstance(event, Noticed) for event in events)
    assert not (tmp_path / "bad-batches").exists()
    run = a_run(tmp_path / "floor", dict.fromkeys(range(9), math.nan), precision="float16", bad_steps=2, steps=40)
    assert run.scaler is not None
    run.scaler.scale = 2.0
    with pytest.raises(Refusal, match=r"step 3: .* 2 such steps in a row"):
        list(run.events())
    assert run.scaler.scale == 0.5
    assert run.guard.standing.left_out == [0, 1, 2, 3]


def test_no_more_than_a_few_batches_are_written(tmp_path: Path) -> None:
    aside = BadBatches(tmp_path, None)
    batch = Batch({"x": torch.tensor([[1.0, math.nan]])}, {}, {"x": 1}, np.arange(1), 2)
    written = [aside.write(step, step, [batch], 1.0, math.nan) for step in range(FILES + 3)]
    assert [path is None for path in written] == [False] * FILES + [True] * 3
    others = [BadBatches(tmp_path, None, rank) for rank in (1, 2)]  # each has its own limit
    written = [other.write(3, data, [batch], 1.0, math.nan) for other in others for data in range(FILES)]
    assert len(set(written) - {None}) == 2 * FILES  # nor does the same step with other data replace a file
    told = json.loads((tmp_path / "bad-batches" / "step-00000000-batch-00000000.json").read_text())["batches"][0]
    assert told["tensors"]["x"] == {"shape": [1, 2], "type": "float32", "values": [[1.0, "nan"]], "not_finite": 1}


def alarms(losses: list[float]) -> list[int]:
    """Where a loss is beyond what the hundred before it allow."""
    first = float(np.median(losses[:FEWEST]))
    return [i for i in range(len(losses)) if losses[i] > threshold(losses[max(0, i - 100) : i], first)]


def test_what_is_usual_raises_no_alarm_and_what_is_not_does() -> None:
    rng = np.random.default_rng(0)
    falling = [6.0 * math.exp(-step / 80) + 2 for step in range(400)]
    noisy = [value + 0.2 * rng.normal() for value in falling]
    few = rng.exponential(0.05, 400) + np.where(rng.random(400) < 0.05, rng.random(400), 0.0)  # batches of few rows
    for losses in (falling, noisy, few.tolist(), [1e-6 * rng.random() for _ in range(50)] + [1e-4] * 50):
        start = [0.7] * FEWEST if losses[0] < 0.5 else []
        assert alarms([*start, *losses]) == []
    spiked = noisy.copy()
    spiked[300:303] = [9.0, 8.0, 9.5]
    assert alarms(spiked)[0] == 300
    assert alarms([5.0] * (FEWEST - 1) + [50.0]) == []


def test_a_spike_does_not_hide_the_next_one(a_run: Made, tmp_path: Path) -> None:
    run = a_run(tmp_path, {30: 80.0, 31: 80.0, 38: 80.0, 44: 60.0}, steps=48, clip=1e-3)
    notices = [event.line for event in run.events() if isinstance(event, Noticed)]
    assert [(line["event"], line["step"]) for line in notices] == [("spike", 31), ("spike", 39), ("spike", 45)]


def test_a_spike_is_told_once_and_nothing_changes_unless_it_is_to_go_back(a_run: Made, tmp_path: Path) -> None:
    run = a_run(tmp_path, {30: 80.0, 31: 80.0}, steps=36, clip=1e-3)
    events = list(run.events())
    notices = [event for event in events if isinstance(event, Noticed)]
    assert [notice.line["event"] for notice in notices] == ["spike"]
    assert notices[0].line["step"] == 31
    assert notices[0].line["value"] > 20 * notices[0].line["usual"]
    assert "step 30: the loss is " in notices[0].told
    assert sum(isinstance(event, Stepped) for event in events) == 36


PLAIN: dict[str, Any] = {"steps": 45, "average": 0.8, "checkpoint_seconds": 1e9}
BACK = PLAIN | {"rollback": True, "rollback_steps": 8}


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory, a_run: Made) -> dict[str, dict[str, Tensor]]:
    """What trainings end with that go back from step 29, and from 40 for several that are not finite."""
    return {name: ended(a_run(tmp_path_factory.mktemp(name), SPOILT, optimizer=name, **BACK)) for name in BOTH}


BOTH = ("adamw", "muon")
SPOILT = {29: 80.0} | dict.fromkeys(range(50, 55), math.nan)


@pytest.mark.parametrize("optimizer", BOTH)
def test_it_goes_back_and_on_as_if_the_data_had_not_been_there(
    a_run: Made, tmp_path: Path, optimizer: str, unbroken: dict[str, dict[str, Tensor]]
) -> None:
    """From step 29 to 16, since 24 is too near; the group of step 16 is then the one after the spike."""
    run = a_run(tmp_path / "one", SPOILT, optimizer=optimizer, **BACK)
    said, told = list[str](), list[Event]()
    best = run.train("run", None, told.append, said.append)  # type: ignore[func-returns-value, arg-type]
    assert [(event.step, event.line["left_out_batches"]) for event in told if isinstance(event, Returned)] == [
        (16, 14), (32, 9)]  # fmt: skip
    assert "run: step 29: the loss is" in said[0]
    assert said[0].endswith("back at step 16, from where it goes on without the data of these 14 steps")
    assert same(best.weights, unbroken[optimizer])
    lines = read(tmp_path / "one" / "log.jsonl")
    assert [line["step"] for line in lines] == sorted(line["step"] for line in lines)
    assert [line["step"] for line in lines if line.get("event") == "rollback"] == [16, 32]
    assert (tmp_path / "one" / "returns").exists()  # until what it has found is saved
    for start, left_out in ((16, 14), (32, 9)):  # a training that has not seen these groups, since they were passed by
        straight = a_run(tmp_path / "two", optimizer=optimizer, **PLAIN)
        for event in straight.events():
            if isinstance(event, Stepped) and event.step.number + 1 == start:
                straight.stop("checkpoint")
        file = tmp_path / "two" / "checkpoints" / f"step-{start:08d}" / "state.json"
        plain = json.loads(file.read_text())
        plain["guard"]["offset"] += left_out
        file.write_text(json.dumps(plain))
    assert same(ended(a_run(tmp_path / "two", optimizer=optimizer, **PLAIN)), unbroken[optimizer])


@pytest.mark.parametrize(("optimizer", "seconds"), [("adamw", 1e9), ("muon", 1e-9)])
def test_killed_before_while_and_after_it_goes_back_it_ends_with_the_same_bits(
    a_run: Made, tmp_path: Path, optimizer: str, seconds: float, unbroken: dict[str, dict[str, Tensor]]
) -> None:
    """`seconds` between checkpoints: after each step, and only where it has gone back."""
    for number, place in enumerate((20, "Returned", 22, 28, "Returned", 43)):
        run = a_run(tmp_path, SPOILT, optimizer=optimizer, **(BACK | {"checkpoint_seconds": seconds}))
        assert number == 0 or seconds > 1 or run.state.step > 0
        with closing(run.events()) as events:
            for event in events:
                if type(event).__name__ == place or (isinstance(event, Stepped) and event.step.number == place):
                    break
    assert same(ended(a_run(tmp_path, SPOILT, optimizer=optimizer, **BACK)), unbroken[optimizer])


def test_it_goes_back_a_few_times_at_most(a_run: Made, tmp_path: Path) -> None:
    run = a_run(tmp_path, dict.fromkeys(range(43, 99), 80.0), **BACK)
    with pytest.raises(Refusal, match="and it has gone back 5 times already"):
        list(run.events())
    assert run.guard.standing.returns == 5
    assert a_run(tmp_path, **BACK).state.step == 32
