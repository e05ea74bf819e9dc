"""What every layout of the trained parameters promises, and what flat ones are for."""

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

import danlu.train.layouts
from danlu.train import optimizer as optimizers
from danlu.train.layouts.flat import FlatParameters
from danlu.train.optimizer import build_optimizer
from danlu.train.parameters import Parameters, storage_bytes
from danlu.tuning.group import Group

FILES = [path.stem for folder in danlu.train.layouts.__path__ for path in Path(folder).glob("[!_]*.py")]
MODULES = [importlib.import_module(f"danlu.train.layouts.{name}") for name in FILES]
LAYOUTS = [
    kind
    for module in MODULES
    for _, kind in inspect.getmembers(module, inspect.isclass)
    if issubclass(kind, Parameters) and kind.__module__ == module.__name__ and kind.complete
]
SHAPED = [(layout, name) for name, layout in optimizers.LAYOUTS.items() if name in ("adafactor", "muon")]
every_layout = pytest.mark.parametrize("layout", LAYOUTS)
every_dtype = pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])


def optimizer(name: str, parameters: Parameters, **options: float) -> torch.optim.Optimizer:
    given = {"rate": 0.1, "weight_decay": 0.0, "betas": (0.9, 0.98), "momentum": 0.0} | options
    return build_optimizer(name, parameters, **given)  # type: ignore[arg-type]


def group(factor: Callable[[int], float], *names: str) -> Group:
    return Group(frozenset(names), factor)


def rest(small: SimpleNamespace, *names: str) -> list[str]:
    return [name for name, _ in small.Net().named_parameters() if name not in names]


def test_the_layouts_are_found_by_their_files() -> None:
    """What is dealt out to ranks is compared with these in `test_ranks.py`."""
    assert len(LAYOUTS) == len(MODULES) - 1
    assert set(optimizers.LAYOUTS.values()) <= set(LAYOUTS)


@every_layout
def test_the_model_computes_what_it_computed_and_matrices_and_vectors_are_apart(
    small: SimpleNamespace, layout: type[Parameters]
) -> None:
    model, inputs = small.Net(), small.batch(2, 0).inputs
    before, named = model(**inputs), dict(model.named_parameters())
    values = {name: parameter.detach().clone() for name, parameter in named.items()}
    parameters = layout(model)
    assert torch.equal(model(**inputs), before)
    assert all(p is named[name] for name, p in model.named_parameters())
    assert all(torch.equal(named[name], value) for name, value in values.items())
    for decays in (True, False):
        decaying = sum(p.numel() for p in named.values() if (p.dim() >= 2) is decays)
        held = [tensor for share in parameters.shares if share.decays is decays for tensor in share.tensors]
        assert sum(tensor.numel() for tensor in held) == decaying
    assert parameters.begin(0) == list(range(len(named)))


@every_layout
def test_what_is_frozen_is_left_alone(small: SimpleNamespace, layout: type[Parameters]) -> None:
    model = small.Net()
    model.embed.requires_grad_(requires_grad=False)
    parameters = layout(model)
    assert "embed.weight" not in dict(parameters.named)
    assert "embed.weight" not in parameters.by_name(parameters.snapshot())


@every_layout
@every_dtype
def test_names_and_values_go_both_ways(small: SimpleNamespace, layout: type[Parameters], dtype: torch.dtype) -> None:
    model = small.Net().to(dtype)
    parameters = layout(model)
    kept = parameters.snapshot()
    named = {name: value.clone() for name, value in parameters.by_name(kept).items()}
    assert named.keys() == dict(model.named_parameters()).keys()
    for name, value in model.named_parameters():
        assert named[name].dtype == torch.float32
        assert torch.equal(named[name].to(dtype), value)
    with torch.no_grad():
        for value in parameters.values():
            value.add_(1.0)
    parameters.publish()
    assert not torch.equal(model.out.bias.float(), named["out.bias"])
    parameters.restore(kept)
    assert all(torch.equal(value, named[name].to(dtype)) for name, value in model.named_parameters())
    parameters.by_name(parameters.values())["out.bias"].add_(5.0)  # views, not copies
    parameters.publish()
    assert torch.equal(model.out.bias, (named["out.bias"] + 5.0).to(dtype))


def test_a_float32_master_keeps_what_bfloat16_alone_would_lose() -> None:
    """A thousand steps of 1e-4 from 1.0: bfloat16 has 8 bits, so that 1.0 + 1e-4 rounds to 1.0."""
    model = nn.Linear(4, 4, bias=False).to(torch.bfloat16)
    nn.init.ones_(model.weight)
    alone = model.weight.detach().clone()
    parameters = FlatParameters(model)
    sgd = optimizer("sgd", parameters, rate=1e-4)
    gradient = torch.full((4, 4), -1.0, dtype=torch.bfloat16)
    for _ in range(1000):
        parameters.add([gradient], first=True)
        sgd.step()
        parameters.publish()
        alone -= 1e-4 * gradient
    assert alone.unique().tolist() == [1.0]
    assert parameters.snapshot()[0].unique().tolist() == pytest.approx([1.1], abs=1e-4)
    assert model.weight.unique().tolist() == pytest.approx([1.1], abs=2**-8)
    assert model.weight.dtype == torch.bfloat16


@every_layout
def test_gradients_add_up_in_float32_and_missing_ones_are_zero(
    small: SimpleNamespace, layout: type[Parameters]
) -> None:
    parameters = layout(small.Net())
    gradients = [torch.full(p.shape, 0.5) for _, p in parameters.named]
    parameters.add([torch.full(p.shape, 9.0) for _, p in parameters.named], first=True)
    parameters.add([None, *gradients[1:]], first=True)
    parameters.add(gradients, first=False)
    parameters.add([None] * len(gradients), first=False)
    numbers = [p.numel() for _, p in parameters.named]
    expected = (0.25 * numbers[0] + 1.0 * sum(numbers[1:])) ** 0.5
    assert float(parameters.norm()) == pytest.approx(expected, rel=1e-6)
    parameters.scale(0.5)
    assert float(parameters.norm()) == pytest.approx(expected / 2, rel=1e-6)


@pytest.mark.parametrize("rows", [11, 40])
def test_rows_that_are_not_read_change_no_bit_of_the_norm(rows: int) -> None:
    """And those of the step before count no more."""
    values = torch.randn(4, 8, generator=torch.Generator().manual_seed(1)) * 3
    norms = []
    for more in (0, rows):
        table = nn.Embedding(11 + more, 8, sparse=True)
        model = nn.Sequential(nn.Linear(5, 5), table, nn.Linear(8, 3))
        parameters = FlatParameters(model)
        other = [torch.ones_like(p) for _, p in parameters.named]
        for ids in ([9, 0, 1, 2], [3, 5, 3, 10]):
            shape = (len(table.weight), 8)
            other[2] = torch.sparse_coo_tensor(torch.tensor([ids]), values, shape, check_invariants=True)
            parameters.add(other, first=True)
        parameters.add(other, first=False)
        norms.append(float(parameters.norm()))
    read = torch.stack([values[0] + values[2], values[1], values[3]])
    expected = 2 * (read.square().sum() + 25 + 5 + 24 + 3).sqrt()
    assert norms[0] == norms[1] == pytest.approx(float(expected), rel=1e-6)


def test_vectors_do_not_decay(small: SimpleNamespace) -> None:
    model = small.Net()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    parameters = FlatParameters(model)
    parameters.step(optimizer("adamw", parameters, rate=0.1, weight_decay=0.5), 0.1)  # gradients are zero
    for name, parameter in model.named_parameters():
        factor = 1 - 0.1 * 0.5 if parameter.dim() >= 2 else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * factor)


@pytest.mark.parametrize(
    ("layout", "name"),
    [*((layout, name) for layout in LAYOUTS for name in ("adamw", "sgd")), *SHAPED],
)
def test_a_frozen_group_stands_still_and_gathers_nothing_until_it_begins(
    small: SimpleNamespace, layout: type[Parameters], name: str
) -> None:
    """Afterwards it goes as parameters go that begin there: moments, decay and the correction of Adam are fresh."""
    late = ("embed.weight", "inner.weight", "inner.bias")
    gradients = [torch.full(p.shape, 0.5) for _, p in small.Net().named_parameters()]
    parameters = layout(model := small.Net(), [group(lambda step: float(step >= 3), *late)])
    moving = optimizer(name, parameters, weight_decay=0.1, momentum=0.9)
    for step in range(5):
        places = parameters.begin(step)
        assert [parameters.named[place][0] for place in places] == (rest(small) if step >= 3 else rest(small, *late))
        parameters.add([gradients[place] for place in places], first=True)
        assert float(parameters.norm()) ** 2 == pytest.approx(0.25 * sum(gradients[i].numel() for i in places))
        parameters.step(moving, 0.1)
        still = all(
            torch.equal(value, dict(small.Net().named_parameters())[name]) for name, value in weights(model, late)
        )
        assert still is (step < 3)
        kept = {int(key.split(".")[1]) for key in parameters.state(moving) if key.startswith("optimizer")}
        moved = [bool(share.factor) for share in parameters.shares for _ in share.tensors]
        assert kept == {place for place, moves in enumerate(moved) if moves}
    alone = layout(second := small.Net())
    theirs = optimizer(name, alone, weight_decay=0.1, momentum=0.9)
    for _ in range(2):
        alone.add(gradients, first=True)
        alone.step(theirs, 0.1)
    expected = dict(second.named_parameters())
    assert all(torch.equal(value, expected[name]) for name, value in weights(model, late))


def weights(model: nn.Module, names: tuple[str, ...]) -> list[tuple[str, torch.Tensor]]:
    return [(name, value.detach()) for name, value in model.named_parameters() if name in names]


@every_layout
@every_dtype
def test_a_group_moves_as_far_as_its_factor_says(
    small: SimpleNamespace, layout: type[Parameters], dtype: torch.dtype
) -> None:
    model = small.Net().to(dtype)
    parameters = layout(model, [group(lambda step: 0.5 ** (step + 1), "out.weight", "out.bias")])
    before = {name: value.clone() for name, value in parameters.by_name(parameters.values()).items()}
    sgd, moved = optimizer("sgd", parameters), 0.0
    for step in range(3):
        parameters.add([torch.ones(p.shape) for _, p in parameters.named][: len(parameters.begin(step))], first=True)
        parameters.step(sgd, 0.1)
        moved += 0.1 * 0.5 ** (step + 1)
    parameters.publish()
    for name, value in parameters.by_name(parameters.values()).items():
        far = moved if name.startswith("out") else 0.3
        torch.testing.assert_close(value, before[name] - far, atol=1e-6, rtol=1e-6)
        assert torch.equal(dict(model.named_parameters())[name].float(), value.to(dtype).float())


@every_layout
@every_dtype
def test_values_change_places_with_others_and_back_without_a_third_copy(
    small: SimpleNamespace, layout: type[Parameters], dtype: torch.dtype
) -> None:
    model = small.Net().to(dtype)
    parameters = layout(model)
    own, others = parameters.snapshot(), [value * 2 for value in parameters.snapshot()]
    places = [value.data_ptr() for value in others]
    parameters.swap(others)
    assert all(torch.equal(now, 2 * was) for now, was in zip(parameters.values(), own, strict=True))
    assert all(torch.equal(now, was) for now, was in zip(others, own, strict=True))
    assert [value.data_ptr() for value in others] == places
    assert torch.equal(model.out.weight.detach(), parameters.by_name(parameters.values())["out.weight"].to(dtype))
    again = parameters.snapshot(others)
    assert [value.data_ptr() for value in again] == places
    assert all(torch.equal(now, 2 * was) for now, was in zip(again, own, strict=True))


@every_layout
@pytest.mark.parametrize(("dtype", "bytes_each"), [(torch.float32, 8), (torch.bfloat16, 10)])
def test_there_is_no_master_beside_float32(
    small: SimpleNamespace, layout: type[Parameters], dtype: torch.dtype, bytes_each: int
) -> None:
    parameters = layout(small.Net().to(dtype))
    values = sum(p.numel() for _, p in parameters.named)
    assert storage_bytes(parameters.tensors()) == bytes_each * values
