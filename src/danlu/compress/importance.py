"""How much each unit of a network matters: by the gradient of the loss on data, or by the size of its weights.

Every unit is multiplied by a gate of 1, one for each row of a batch. What the gradient of a gate says, to first order,
is how far the loss of that row would move if the unit were not there; for a neuron or a head it is the sum of weight
times gradient over the weights that read it (Molchanov et al., 2019). The sizes of these are added up over the rows,
so that rows that need a unit and rows that are better without it do not cancel (Michel et al., 2019).

Legend: B rows, T tokens, D values, U units.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from danlu.compress.pruning import Subject
from danlu.machine.device import device
from danlu.machine.seed import drawn, generator
from danlu.model.fast import prepare_for_training
from danlu.model.own import put_in
from danlu.model.positions import longest_row
from danlu.model.replica import replica
from danlu.refusal import Refusal
from danlu.text.batching.batch import plan

MOST = 2000  # records that are looked at
TOKENS = 1024  # of a batch

Gate = Callable[[Tensor, Tensor], Tensor]
"""What stands where a unit is, and gates (B, U), to what stands there then."""


@dataclass(frozen=True)
class Units:
    """Units of one block: U parts, side by side, of what a linear layer reads; or the whole block, as one."""

    module: str
    count: int
    whole: bool = False


def by_gradient(subject: Subject, units: Mapping[int, Units]) -> dict[int, Tensor]:
    """How much each unit of some blocks matters, (U,) each, by the loss of the task on the records.

    Raises:
        Refusal: there are no records, or the loss of the task reads other networks beside this one.
    """
    task, tokenizer = subject.task, subject.tokenizer
    if not subject.records:
        raise Refusal("what matters is found on records with their truth, and there are none; give data to learn from")
    if task.roles or task.learners:
        raise Refusal(
            f"the loss of the task {task.kind} reads other networks beside this one, so nothing tells by its gradient "
            "what matters; write importance=magnitude, or of layers importance=top"
        )
    model = prepare_for_training(put_in(replica(subject.model), task.parameters()), "float32").to(device()).eval()
    for parameter in model.parameters():
        parameter.requires_grad = False
    records = drawn(subject.records, MOST, subject.seed, "importance")
    encoded = task.learnable(records, tokenizer, longest_row(subject.model), TOKENS)
    sums = {number: torch.zeros(each.count, dtype=torch.float64) for number, each in units.items()}
    with gated(model, units) as gates:
        for number, piece in enumerate(plan(task.sizes(encoded, tokenizer), tokens=TOKENS)):
            rows = [encoded[place] for place in piece.examples.tolist()]
            rng = generator(subject.seed, "importance", number)
            batch = task.collate(rows, piece.width, tokenizer, rng).to(device())
            gates.clear()
            objectives = task.loss(model, batch)
            losses = [value for name, value in objectives.items() if name in batch.counts]
            torch.autograd.backward(torch.stack(losses).sum())
            for block, each in gates.items():
                for gate_BU in each:
                    if gate_BU.grad is not None:
                        sums[block] += gate_BU.grad.abs().sum(0).double().cpu()
    return sums


@contextmanager
def gated(model: nn.Module, units: Mapping[int, Units]) -> Iterator[dict[int, list[Tensor]]]:
    """Within the block each unit has a gate of 1, whose gradient is kept; the gates of each block, as they are made."""
    gates: dict[int, list[Tensor]] = {}

    def made(number: int, values: Tensor) -> Tensor:
        gate_BU = values.new_ones(len(values), units[number].count).requires_grad_()
        gates.setdefault(number, []).append(gate_BU)
        return gate_BU

    with _hooked(model, units, made):
        yield gates


@contextmanager
def without(model: nn.Module, units: Mapping[int, Units], gone: Mapping[int, Sequence[int]]) -> Iterator[None]:
    """Within the block some units of some blocks give nothing, as if they were not there; the weights stay."""

    def made(number: int, values: Tensor) -> Tensor:
        gate_BU = values.new_ones(len(values), units[number].count)
        gate_BU[:, list(gone.get(number, ()))] = 0
        return gate_BU

    with _hooked(model, units, made):
        yield


@contextmanager
def _hooked(model: nn.Module, units: Mapping[int, Units], made: Callable[[int, Tensor], Tensor]) -> Iterator[None]:
    handles = []
    for number, each in units.items():
        module = model.get_submodule(each.module)
        if each.whole:
            handles.append(module.register_forward_hook(_passing_by(number, made), with_kwargs=True))
        else:
            handles.append(module.register_forward_pre_hook(_narrowing(number, each.count, made)))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _narrowing(number: int, count: int, made: Callable[[int, Tensor], Tensor]) -> Callable[..., Any]:
    def hook(_module: nn.Module, given: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        read_BTD, *others = given
        gate_BD = made(number, read_BTD).repeat_interleave(read_BTD.shape[-1] // count, dim=1)
        return (read_BTD * gate_BD[:, None], *others)

    return hook


def _passing_by(number: int, made: Callable[[int, Tensor], Tensor]) -> Callable[..., Any]:
    """A block whose gate is 0 gives what it was given."""

    def hook(_module: nn.Module, given: tuple[Any, ...], named: dict[str, Any], left: Any) -> Any:
        before_BTD = given[0] if given else named["hidden_states"]
        after_BTD = left[0] if isinstance(left, tuple) else left
        mixed_BTD = before_BTD + made(number, after_BTD)[:, None] * (after_BTD - before_BTD)
        return (mixed_BTD, *left[1:]) if isinstance(left, tuple) else mixed_BTD

    return hook


def by_magnitude(linears: Sequence[tuple[Tensor, Tensor | None]], count: int) -> Tensor:
    """The Euclidean norm of the weights of each of `count` units (Li et al., 2017), (U,).

    `linears`: weights whose first side is that of the units, each with the biases of that side or None.
    """
    total_U = torch.zeros(count, dtype=torch.float64)
    for weight, bias in linears:
        total_U += weight.detach().double().reshape(count, -1).square().sum(1)
        if bias is not None:
            total_U += bias.detach().double().reshape(count, -1).square().sum(1)
    return total_U.sqrt()


def least(importance: Tensor, count: int) -> list[int]:
    """The places of the `count` units that matter least; of equals the last ones."""
    order = sorted(range(len(importance)), key=lambda place: (float(importance[place]), -place))
    return sorted(order[:count])
