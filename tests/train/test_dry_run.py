"""The dry run foretells: time that depends on the batch alone, memory that is really held, the largest batch first."""

import re
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from danlu.machine.peak import Peak, room
from danlu.refusal import Refusal
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded, Row
from danlu.train import fair, fitting, loop
from danlu.train.batches import Batches, Collate
from danlu.train.dry_run import dry_run
from danlu.train.fitting import memory_refused
from danlu.train.settings import Training

A_TOKEN = 2e-5  # seconds


class Slow(nn.Module):
    """Takes a time for each of its tokens, by a clock of its own."""

    def __init__(self, a_step: float = 0.0) -> None:
        super().__init__()
        self.a_step = a_step
        self.weight = nn.Parameter(torch.ones(4))
        self.seen: list[tuple[int, int]] = []
        self.clock = 0.0

    def forward(self, ids_BT: Tensor) -> Tensor:
        self.seen.append((len(ids_BT), ids_BT.shape[1]))
        self.clock += self.a_step + A_TOKEN * ids_BT.numel()
        return self.weight.sum() * ids_BT.shape[0]


def batches(lengths: list[int], tokens: int, examples: int | None = None) -> Batches:
    def collate(rows: list[Encoded], width: int, rng: np.random.Generator) -> Batch:
        ids_BT = torch.zeros(len(rows), width, dtype=torch.long)
        return Batch({"ids_BT": ids_BT}, {}, {"sum": len(rows)}, np.arange(len(rows)), 0)

    encoded = [Encoded(row, (Row(np.zeros(length, np.int32)),)) for row, length in enumerate(lengths)]
    return Batches(encoded, collate, 0, tokens=tokens, examples=examples, accumulate=1, parts=1)


def loss(model: nn.Module, batch: Batch) -> dict[str, Tensor]:
    return {"sum": model(**batch.inputs)}


@pytest.mark.parametrize("features", [False, True])
def test_the_time_of_all_steps_is_foretold_from_a_few(features: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths = np.random.default_rng(0).integers(8, 120, 400).tolist()
    made, model = batches(lengths, 1024), Slow()
    monkeypatch.setattr(time, "perf_counter", lambda: model.clock)
    monkeypatch.setattr(fair, "BUSY", -1.0)  # on a busy machine a step is computed twice for once, to be compared
    found = dry_run(model, made, loss, Training(epochs=5), precision="float32", features=features)
    padded = sum(piece.tokens for piece in made.plan(0))
    assert found.steps == 5 * found.steps_an_epoch == 5 * len(made.plan(0))
    assert found.seconds == pytest.approx(padded * A_TOKEN * (1 if features else 5))
    assert found.padding == pytest.approx(1 - sum(lengths) / padded)
    assert found.largest == model.seen[3] == max(model.seen, key=lambda shape: (shape[0] * shape[1], shape[1]))
    assert [rows for rows, _ in model.seen[:3]] == [found.largest[0] // of for of in (8, 8, 4)]
    assert len(model.seen) <= 9


def test_the_largest_batch_is_looked_at_as_it_is_at_both_ends_of_the_training() -> None:
    plain, seen = batches([9, 9, 30], 32), list[int]()

    def along(number: int) -> Collate:
        seen.append(number)
        return plain.collate

    dry_run(Slow(), replace(plain, along=along), loss, Training(steps=70), precision="float32")
    assert seen[:3] == [0, 69, 2]


SPEEDS = [(0.0, None, 1), (0.02, None, 2), (0.02, 24, 2), (5.0, None, 1)]


@pytest.mark.parametrize(("a_step", "examples", "times"), SPEEDS)
def test_a_size_of_batches_that_is_clearly_faster_is_told(
    a_step: float, examples: int | None, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, model = batches([20] * 600, 512, examples), Slow(a_step)
    monkeypatch.setattr(time, "perf_counter", lambda: model.clock)
    monkeypatch.setattr(fair, "BUSY", -1.0)
    found = dry_run(model, made, loss, Training(steps=3), precision="float32", sizes=True).faster
    if times == 1:
        assert found is None, "as fast, or too slow to be tried"
        return
    own, name = (512, "batch_tokens") if examples is None else (examples, "batch_examples")
    assert found is not None
    assert (found.setting, found.size) == (name, times * own)
    a_row = [a_step / rows + 20 * A_TOKEN for rows in (24, 48)]
    assert found.gain == pytest.approx(a_row[0] / a_row[1] - 1, rel=0.1)
    assert len(model.seen) <= 9 + 4 * 3


class Hungry(nn.Module):
    """Counts the rows of which a MB each is said to be held."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))
        self.rows = 0

    def forward(self, ids_BT: Tensor) -> Tensor:
        self.rows = max(self.rows, len(ids_BT))
        return (torch.ones(len(ids_BT), 4).exp() * self.weight[0]).exp().sum()


@pytest.mark.parametrize("examples", [None, 400])
def test_a_batch_that_is_larger_than_memory_is_refused_before_it_is_tried_with_the_largest_that_fits(
    examples: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, model = batches([10] * 400, 4000, examples), Hungry()
    monkeypatch.setattr(fitting, "room", lambda: int(500e6))
    monkeypatch.setattr(Peak, "so_far", lambda _: int(2e8 + 1e6 * model.rows))
    setting, a_row = ("batch_tokens", 10) if examples is None else ("batch_examples", 1)
    with pytest.raises(Refusal, match=rf"train\.{setting}: the largest batch, 400 rows of 10 tokens, would ") as told:
        dry_run(model, made, loss, Training(steps=3), precision="float32")
    assert model.rows == 100
    found = re.search(r"fits is about ([\d,]+), and 'recompute: true'", str(told.value))
    assert found is not None
    assert 100 * a_row <= int(found[1].replace(",", "")) < 400 * a_row
    monkeypatch.undo()
    assert dry_run(model, batches([10] * 40, 4000), loss, Training(steps=3), precision="float32").largest == (40, 10)


@pytest.mark.parametrize("words", ["DefaultCPUAllocator: can't allocate memory: you tried", "something else"])
def test_what_finds_no_memory_is_told_in_a_sentence(words: str) -> None:
    expected = Refusal if "memory" in words else RuntimeError
    told = r"lower train\.batch_tokens" if "memory" in words else words
    with pytest.raises(expected, match=told), memory_refused("x"):
        raise RuntimeError(words)


def test_data_that_do_not_fill_a_step_are_refused() -> None:
    made = replace(batches([10] * 40, 100), accumulate=6)
    with pytest.raises(Refusal, match=r"train\.accumulate: a step is to take 6 batches, and all data make 5; lower it"):
        dry_run(Hungry(), made, loss, Training(), precision="float32")


def test_a_peak_sees_what_was_held_and_let_go_again() -> None:
    with Peak() as before:
        pass
    with Peak() as peak:
        held = np.ones(30_000_000)  # 240 MB
        time.sleep(0.05)
        del held
    assert peak.bytes - before.bytes > 200e6
    most = room()
    assert most is None or most > peak.bytes


@pytest.mark.parametrize(("once", "passes"), [(True, 1), (False, 5)])
def test_what_is_done_beforehand_counts_once_a_row_or_each_epoch(
    once: bool, passes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    lengths = np.random.default_rng(0).integers(8, 120, 400).tolist()
    made, model = batches(lengths, 1024), Slow()
    monkeypatch.setattr(time, "perf_counter", lambda: model.clock)
    monkeypatch.setattr(fair, "BUSY", -1.0)

    def beforehand(batch: Batch) -> Batch:
        model.clock += 3 * A_TOKEN * batch.inputs["ids_BT"].numel()
        return batch

    how = {"precision": "float32", "beforehand": beforehand, "once": once}
    found = dry_run(model, made, loss, Training(epochs=5), **how)  # type: ignore[arg-type]
    padded = sum(piece.tokens for piece in made.plan(0))
    assert found.seconds == pytest.approx(padded * A_TOKEN * (5 + 3 * passes))


def test_a_move_of_the_optimizer_is_counted_once_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sixteen batches a step, of which each is tried as a step of its own."""
    model = Slow()
    made = replace(batches([40] * 640, 400), accumulate=16)
    monkeypatch.setattr(time, "perf_counter", lambda: model.clock)
    monkeypatch.setattr(fair, "BUSY", -1.0)
    moved = loop._update

    def slow(*given: object) -> None:
        model.clock += 1.0
        moved(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(loop, "_update", slow)
    found = dry_run(model, made, loss, Training(epochs=1, accumulate=16), precision="float32")
    tokens = sum(piece.tokens for piece in made.plan(0))
    assert len(made.plan(0)) > 10 * made.an_epoch()
    assert found.seconds == pytest.approx(made.an_epoch() * 1.0 + tokens * A_TOKEN, rel=0.05)
