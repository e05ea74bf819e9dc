"""One core that stands in for several on a busy machine: when it does, and that not a bit is changed by it."""

from functools import partial
from itertools import count
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor
from transformers import BertConfig, GPT2Config, LlamaConfig

from danlu.machine.crew import compute_with
from danlu.model.fast import prepare_for_training
from danlu.model.heads import kept_logits
from danlu.model.steady import SteadyLayerNorm, softmax_gradient, standing_in_for
from danlu.text.batching.batch import Batch
from danlu.train import fair, loop
from danlu.train.fair import FairCores
from danlu.train.layouts.flat import FlatParameters
from danlu.train.loop import steps
from danlu.train.optimizer import build_optimizer

SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
FAMILIES = {
    "bert": BertConfig(vocab_size=50, num_labels=3, **SIZES),
    "gpt2": GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=2, num_labels=3, pad_token_id=0),
    "llama": LlamaConfig(vocab_size=50, num_labels=3, pad_token_id=0, **SIZES),
}


pytestmark = pytest.mark.usefixtures("two_cores")


class Machine:
    """Clocks, and jobs that take the time they would take while other programs hold all cores, or none."""

    def __init__(self) -> None:
        self.now = self.processed = 0.0
        self.busy, self.cores = False, list[int]()

    def job(self, wrong: bool = False, one: float = 2.0) -> fair.Gradients:
        cores = torch.get_num_threads()
        self.cores.append(cores)
        self.now += (50.0 if self.busy else 1.0) if cores > 1 else one * (2 if self.busy else 1)
        self.processed += 1.0 if cores > 1 else one
        return 1.0, (torch.tensor([float(cores if wrong else 0)]), None)

    def chooser(self) -> FairCores:
        return FairCores(2, lambda: self.now, lambda: self.processed)

    def take(self, choose: FairCores, count: int, shape: str = "a", **how: Any) -> list[int]:
        self.cores.clear()
        for _ in range(count):
            value, gradients = choose.run(lambda: self.job(**how), shape)
            assert value == 1.0
            assert how.get("wrong") is None or gradients[0].item() == 2.0
        return self.cores.copy()


def test_an_idle_machine_always_uses_all_cores() -> None:
    machine = Machine()
    assert machine.take(machine.chooser(), 50) == [2] * 50


def test_a_busy_one_falls_back_once_the_bits_were_compared_and_returns_when_there_is_room() -> None:
    machine = Machine()
    choose = machine.chooser()
    machine.take(choose, 3)
    machine.busy = True
    assert machine.take(choose, 2) == [2, 2]
    assert machine.take(choose, 4) == [2, 1, 1, 1, 1]
    assert machine.take(choose, 2, "b") == [2, 1, 1]  # another shape is compared by itself
    assert machine.take(choose, 2) == [1, 1]
    machine.busy, machine.now = False, machine.now + 2000
    assert machine.take(choose, 3) == [2, 2, 2]


def test_all_cores_are_tried_ever_more_seldom_while_they_are_held() -> None:
    machine = Machine()
    choose = machine.chooser()
    machine.busy = True
    assert machine.take(choose, 300).count(2) <= 9  # 50 seconds each, of one core's 4
    assert machine.now > 1000


def test_where_a_digit_differs_all_cores_go_on() -> None:
    machine = Machine()
    choose = machine.chooser()
    machine.busy = True
    assert machine.take(choose, 8, wrong=True).count(1) == 1


def test_one_core_that_is_slower_than_many_held_ones_is_left_again() -> None:
    machine = Machine()
    choose = machine.chooser()
    machine.busy = True
    taken = machine.take(choose, 40, one=80.0)
    assert 1 <= taken.count(1) <= 3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rows", [1, 2, 3, 7, 40, 192])
@pytest.mark.parametrize("cores", [2, 3])
def test_layer_norms_and_softmax_have_the_same_bits(dtype: torch.dtype, rows: int, cores: int) -> None:
    generator = torch.Generator().manual_seed(rows)
    norm = SteadyLayerNorm(48).to(dtype)
    torch.nn.init.normal_(norm.weight, generator=generator)
    hidden = torch.randn(rows, 48, generator=generator).to(dtype).requires_grad_()
    out = torch.randn(rows, 48, generator=generator).to(dtype)
    shares = [torch.softmax(torch.randn(rows, 5, width, generator=generator), -1).to(dtype) for width in (6, 8, 31)]

    def gradients() -> list[Tensor]:
        of_norm = torch.autograd.grad(norm(hidden), [hidden, norm.weight, norm.bias], out)
        return [*of_norm, *(softmax_gradient(torch.flip(share, [0]), share) for share in shares)]

    compute_with(cores)
    several = gradients()
    compute_with(1)
    with standing_in_for(cores):
        alone = gradients()
    assert all(torch.equal(one, other) for one, other in zip(several, alone, strict=True))
    for share, found in zip(shares, alone[3:], strict=True):
        given = torch.flip(share, [0]).double()
        expected = share.double() * (given - (given * share.double()).sum(-1, keepdim=True))
        torch.testing.assert_close(found.double(), expected, atol=1e-2 if dtype == torch.bfloat16 else 1e-6, rtol=1e-2)


def batch(number: int) -> Batch:
    rng = np.random.default_rng(number)
    lengths = torch.from_numpy(rng.integers(3, 13, 8))
    mask = (torch.arange(12) < lengths[:, None]).long()
    ids = torch.from_numpy(rng.integers(1, 50, (8, 12))) * mask
    inputs = {"input_ids": ids, "attention_mask": mask}
    return Batch(
        inputs, {"label": torch.from_numpy(rng.integers(0, 3, 8))}, {"label": 8}, np.arange(8), int(mask.sum())
    )


def loss(model: torch.nn.Module, given: Batch) -> dict[str, Tensor]:
    logits = model(**given.inputs).logits.float()
    return {"label": torch.nn.functional.cross_entropy(logits, given.targets["label"], reduction="sum")}


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_training_that_falls_back_ends_with_the_same_bits(
    monkeypatch: pytest.MonkeyPatch, family: str, precision: str
) -> None:
    """Dropout included, with what is compared on the way."""
    ends, alone = {}, {}
    for busy in (False, True):
        clocks = [partial(next, count(0.0, step)) for step in (1.0, 0.0 if busy else 1.0)]
        monkeypatch.setattr(loop, "FairCores", lambda cores, clocks=clocks: FairCores(cores, *clocks))
        calls: list[int] = []

        def counted(model: torch.nn.Module, given: Batch, calls: list[int] = calls) -> Tensor:
            calls.append(torch.get_num_threads())
            return loss(model, given)

        torch.manual_seed(1)
        network = transformers.AutoModelForSequenceClassification.from_config(FAMILIES[family])
        model = prepare_for_training(network, precision)
        parameters = FlatParameters(model)
        moving = build_optimizer("adamw", parameters, rate=1e-2, weight_decay=0.1, betas=(0.9, 0.98), momentum=0.0)
        groups = [[batch(2 * step), batch(2 * step + 1)] for step in range(4)]
        list(steps([model], groups, counted, moving, parameters, rate=lambda _: 1e-2, clip=1.0, seed=3))
        ends[busy], alone[busy] = parameters.snapshot(), calls.count(1)
    assert all(torch.equal(one, other) for one, other in zip(ends[False], ends[True], strict=True))
    assert alone[False] == 0
    assert alone[True] >= 1
    if family == "bert" and precision == "float32":  # bfloat16's kernels sum otherwise on one core of some processors
        assert alone[True] >= 5  # all that came after the comparison


def masked(number: int, labels: int) -> Batch:
    """A batch of one shape, whatever number of its places has a label."""
    given = batch(number)
    labels_BT = torch.full((8, 12), -100)
    places = torch.from_numpy(np.random.default_rng(number).choice(96, labels, replace=False))
    labels_BT.view(-1)[places] = places % 49 + 1
    inputs = {"input_ids": given.inputs["input_ids"].clamp(min=1), "attention_mask": torch.ones(8, 12).long()}
    return Batch(inputs, {"label": labels_BT}, {"label": labels}, np.arange(8), 96)


def loss_of_masked(model: torch.nn.Module, given: Batch) -> dict[str, Tensor]:
    labels_BT = given.targets["label"]
    logits_KV = kept_logits(model, given.inputs, labels_BT != -100).float()
    wanted_K = labels_BT[labels_BT != -100]
    return {"label": torch.nn.functional.cross_entropy(logits_KV, wanted_K, reduction="sum")}


def test_a_batch_of_the_same_shape_with_other_labels_is_compared_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Products of 5 to 11 rows have other last digits on one core than on two."""
    ends = {}
    for busy in (False, True):
        clocks = [partial(next, count(0.0, step)) for step in (1.0, 0.0 if busy else 1.0)]
        monkeypatch.setattr(loop, "FairCores", lambda cores, clocks=clocks: FairCores(cores, *clocks))
        torch.manual_seed(1)
        model = prepare_for_training(transformers.AutoModelForMaskedLM.from_config(FAMILIES["bert"]), "float32")
        parameters = FlatParameters(model)
        moving = build_optimizer("adamw", parameters, rate=1e-2, weight_decay=0.1, betas=(0.9, 0.98), momentum=0.0)
        groups = [[masked(step, 16 + step % 2 * (step % 12 - 11))] for step in range(24)]
        list(steps([model], groups, loss_of_masked, moving, parameters, rate=lambda _: 1e-2, clip=1.0, seed=3))
        ends[busy] = parameters.snapshot()
    assert all(torch.equal(one, other) for one, other in zip(ends[False], ends[True], strict=True))
