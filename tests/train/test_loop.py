"""The loop against loops written out by hand, and against itself with the same batch cut otherwise."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.text.batching.batch import Batch
from danlu.train.layouts.flat import FlatParameters
from danlu.train.loop import Scaler, Step, steps
from danlu.train.optimizer import build_optimizer

THEIRS = nn.functional.dropout


def train(
    model: nn.Module,
    groups: Iterable[list[Batch]],
    loss: Callable[..., Tensor],
    *,
    replicas: int = 1,
    optimizer: str = "adamw",
    momentum: float = 0.9,
    **options: Any,
) -> list[Step]:
    parameters = FlatParameters(model)
    given = {"rate": 1e-2, "weight_decay": 0.1, "betas": (0.9, 0.98), "momentum": momentum}
    moving = build_optimizer(optimizer, parameters, **given)  # type: ignore[arg-type]
    several = [model, *(replica(model) for _ in range(replicas - 1))]
    options = {"rate": lambda step: 1e-2 / (1 + step), "clip": 0.5, **options}
    return list(steps(several, groups, loss, moving, parameters, **options))


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize(("optimizer", "momentum"), [("adamw", 0.0), ("sgd", 0.0), ("sgd", 0.9)])
@pytest.mark.parametrize("clip", [0.5, 0.0])
def test_it_is_a_plain_loop_of_torch(small: SimpleNamespace, optimizer: str, momentum: float, clip: float) -> None:
    batches = [small.batch(4, seed, labelled=0.7) for seed in range(10)]
    plain = small.Net()
    groups = [
        {"params": [p for p in plain.parameters() if (p.dim() >= 2) is decays], "weight_decay": 0.1 * decays}
        for decays in (True, False)
    ]
    if optimizer == "adamw":
        theirs: torch.optim.Optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.98), fused=False, foreach=False)
    else:
        theirs = torch.optim.SGD(groups, momentum=momentum, fused=False, foreach=False)
    expected = []
    for number, batch in enumerate(batches):
        theirs.zero_grad()
        value = nn.functional.cross_entropy(plain(**batch.inputs).flatten(0, 1), batch.targets["class"].flatten())
        value.backward()
        norm = nn.utils.clip_grad_norm_(plain.parameters(), clip or math.inf)
        for group in theirs.param_groups:
            group["lr"] = 1e-2 / (1 + number)
        theirs.step()
        expected.append((value.item(), float(norm)))
    model = small.Net()
    told = train(model, [[b] for b in batches], small.loss, optimizer=optimizer, momentum=momentum, clip=clip)
    torch.testing.assert_close(weights(model), weights(plain), atol=2e-6, rtol=1e-5)
    assert [(step.loss, step.gradient_norm) for step in told] == [pytest.approx(pair, rel=1e-5) for pair in expected]
    assert [step.number for step in told] == list(range(10))
    assert [step.rate for step in told] == [1e-2 / (1 + number) for number in range(10)]
    assert all(step.tokens == 24 and step.seconds > 0 for step in told)


@pytest.mark.parametrize("labelled", [1.0, 0.3])
@pytest.mark.parametrize(("pieces", "replicas"), [(8, 1), (8, 2), (2, 2), (3, 2), (3, 3)])
def test_a_batch_in_pieces_is_the_batch(small: SimpleNamespace, pieces: int, replicas: int, labelled: float) -> None:
    """Also where the pieces have different numbers of labels: their means may not be averaged."""
    wholes = [small.batch(8, seed, labelled) for seed in range(5)]
    one, many = small.Net(), small.Net()
    expected = train(one, [[whole] for whole in wholes], small.loss)
    cut = [small.cut(whole, pieces) for whole in wholes]
    assert labelled == 1.0 or len({batch.counts["class"] for batch in cut[0]}) > 1
    found = train(many, cut, small.loss, replicas=replicas)
    torch.testing.assert_close(weights(many), weights(one), atol=1e-6, rtol=1e-5)
    for mine, right in zip(found, expected, strict=True):
        assert mine.loss == pytest.approx(right.loss, rel=1e-6)
        assert mine.gradient_norm == pytest.approx(right.gradient_norm, rel=1e-5)
        assert mine.tokens == right.tokens


@pytest.mark.parametrize("pieces", [1, 3])
def test_each_objective_is_divided_by_its_own_count(small: SimpleNamespace, pieces: int) -> None:
    """Two objectives, the labels of the first two classes and the others, however the batch is cut."""

    def losses(net: nn.Module, given: Batch) -> dict[str, Tensor]:
        labels = given.targets["class"]
        parts = {"few": torch.where(labels < 2, labels, -100), "many": torch.where(labels >= 2, labels, -100)}
        return {name: small.loss(net, replace(given, targets={"class": part}))["class"] for name, part in parts.items()}

    def counted(given: Batch) -> Batch:
        labels = given.targets["class"]
        few, many = int((labels.eq(0) | labels.eq(1)).sum()), int((labels >= 2).sum())
        return replace(given, counts={"few": few, "many": many})

    whole = counted(small.batch(6, 1, 0.5))
    assert whole.counts["few"] != whole.counts["many"]
    plain, model = small.Net(), small.Net()
    sums = losses(plain, whole)
    value = sums["few"] / whole.counts["few"] + sums["many"] / whole.counts["many"]
    value.backward()  # type: ignore[no-untyped-call]
    sums = {name: part.detach() for name, part in sums.items()}
    norm = float(nn.utils.get_total_norm([p.grad for p in plain.parameters() if p.grad is not None]))
    [step] = train(model, [[counted(part) for part in small.cut(whole, pieces)]], losses, clip=0.0)
    assert step.loss == pytest.approx(float(value.detach()), rel=1e-6)
    assert step.losses == {name: pytest.approx(float(sums[name]) / whole.counts[name], rel=1e-6) for name in sums}
    assert step.gradient_norm == pytest.approx(norm, rel=1e-5)


def test_replicas_repeat_themselves_bit_by_bit(small: SimpleNamespace) -> None:
    found = []
    for _ in range(2):
        model = small.Net(dropout=0.2)
        train(model, [small.cut(small.batch(8, seed), 4) for seed in range(6)], small.loss, replicas=2, seed=3)
        found.append(weights(model))
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


@pytest.mark.parametrize("dropout", [nn.Dropout, None])
def test_dropout_of_a_step_depends_on_its_number_alone(small: SimpleNamespace, dropout: type[nn.Module] | None) -> None:
    """Ours, and torch's own where one replica has the generator for itself."""
    batches = [[small.batch(4, seed)] for seed in range(6)]
    losses = {}
    for start, seed in ((0, 5), (4, 5), (0, 6)):
        model = small.Net(dropout=0.5)
        if dropout:
            model.dropout = dropout(0.5)
        torch.manual_seed(start)
        told = train(model, batches[start:], small.loss, start=start, seed=seed, rate=lambda step: 0.0)
        losses[start, seed] = [step.loss for step in told]
    assert losses[4, 5] == losses[0, 5][4:]
    assert losses[0, 6] != losses[0, 5]


def test_a_group_without_a_single_label_moves_nothing(small: SimpleNamespace) -> None:
    model = small.Net()
    before = weights(model)
    told = train(model, [small.cut(small.batch(4, 0, labelled=0.0), 2)], small.loss, optimizer="sgd", rate=lambda _: 0)
    assert (told[0].loss, told[0].gradient_norm) == (0.0, 0.0)
    assert all(torch.equal(before[name], value) for name, value in weights(model).items())


@pytest.mark.parametrize("bad", [math.nan, math.inf])
@pytest.mark.parametrize("where", ["loss", "gradient", "loss alone"])
def test_what_is_not_finite_is_refused_before_the_weights_move(small: SimpleNamespace, bad: float, where: str) -> None:
    model = small.Net()
    seen: list[dict[str, Tensor]] = []

    def loss(net: nn.Module, batch: Batch) -> dict[str, Tensor]:
        seen.append(weights(net))
        value: Tensor = small.loss(net, batch)["class"]
        if len(seen) < 3:
            return {"class": value}
        if where == "gradient":  # infinite slope, finite value
            zero = net.out.bias.sum() * 0  # type: ignore[union-attr, operator]
            return {"class": value + (torch.sqrt(zero) if bad == math.inf else torch.sqrt(zero) * 0)}
        return {"class": value * bad if where == "loss" else value + bad}

    with pytest.raises(Refusal, match=r"step 2: the loss is .* and the gradient norm .*; lower train\.rate") as told:
        train(model, [[small.batch(4, seed)] for seed in range(5)], loss)
    assert "\n" not in str(told.value)
    assert all(torch.equal(seen[2][name], value) for name, value in weights(model).items())
    assert not all(torch.equal(seen[1][name], value) for name, value in seen[2].items())


def test_float16_leaves_out_a_step_that_overflows_and_goes_on(small: SimpleNamespace) -> None:
    model, plain = small.Net(), small.Net()
    batch = small.batch(4, 0)
    seen: list[dict[str, Tensor]] = []

    def loss(net: nn.Module, given: Batch) -> dict[str, Tensor]:
        seen.append(weights(net))
        return small.loss(net, given)

    scaler = Scaler(2.0**22)
    told = train(model, [[batch]] * 12, loss, scaler=scaler, rate=lambda _: 1e-2)
    lost = sum(not math.isfinite(step.gradient_norm) for step in told)
    assert 0 < lost < 11
    assert scaler.scale == 2.0 ** (22 - lost)
    assert scaler.good == 12 - lost
    assert all(torch.equal(seen[0][name], value) for name, value in seen[lost].items())
    right = train(plain, [[batch]] * (12 - lost), small.loss, rate=lambda _: 1e-2)
    assert [s.loss for s in told[lost:]] == pytest.approx([s.loss for s in right], rel=2e-3)
    assert [s.gradient_norm for s in told[lost:]] == pytest.approx([s.gradient_norm for s in right], rel=2e-2)


def test_a_scale_that_falls_below_one_ends_in_a_sentence(small: SimpleNamespace) -> None:
    with pytest.raises(Refusal, match=r"step 2: .* set train\.precision to float32"):
        train(
            small.Net(),
            [[small.batch(2, 0)]] * 9,
            lambda m, b: {"class": small.loss(m, b)["class"] * math.nan},
            scaler=Scaler(scale=2.0),
        )


def test_the_scale_doubles_after_two_thousand_good_steps() -> None:
    scaler = Scaler(scale=4.0, good=1998)
    scaler.update(finite=True)
    assert (scaler.scale, scaler.good) == (4.0, 1999)
    scaler.update(finite=True)
    assert (scaler.scale, scaler.good) == (8.0, 0)
    scaler.update(finite=False)
    assert (scaler.scale, scaler.good) == (4.0, 0)


def test_a_parameter_without_gradient_stays_where_it_is(small: SimpleNamespace) -> None:
    model = small.Net()
    model.unused = nn.Linear(3, 3)
    before = model.unused.bias.detach().clone()
    train(model, [[small.batch(4, 0)]] * 3, small.loss)
    assert torch.equal(model.unused.bias, before)


def test_bfloat16_weights_learn_what_float32_learns(small: SimpleNamespace) -> None:
    losses = {}
    for dtype in (torch.float32, torch.bfloat16):
        told = train(small.Net().to(dtype), [[small.batch(8, 1)]] * 40, small.loss, rate=lambda _: 3e-2)
        losses[dtype] = [step.loss for step in told]
    assert losses[torch.float32][-1] < 0.7 * losses[torch.float32][0]
    assert losses[torch.bfloat16] == pytest.approx(losses[torch.float32], rel=0.05)


class Functional(nn.Module):
    """Drops out by a function, as BART's family does, and not by a module."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(8, 1)

    def forward(self, rows_BF: Tensor) -> Tensor:
        return self.layer(nn.functional.dropout(rows_BF, 0.5, self.training)).sum()


def test_dropout_by_a_function_is_the_same_every_time_with_several_replicas() -> None:
    rows_BF = torch.arange(64.0).view(8, 8)
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        torch.rand(seed)  # what was drawn before changes nothing
        one = Batch({"rows_BF": rows_BF}, {}, {"sum": 8}, np.arange(8), 8)
        own = Functional().train()
        loss = lambda model, batch: {"sum": model(**batch.inputs)}  # noqa: E731
        found.append([step.loss for step in train(own, [[one, one]] * 3, loss, replicas=2, momentum=0.0)])  # type: ignore[arg-type]
    assert found[0] == found[1]
    assert len(set(found[0])) == 3
    assert nn.functional.dropout is THEIRS
