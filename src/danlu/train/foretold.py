"""What a step of a training holds and computes, foretold from a network without weights."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from danlu.machine.halved import Halved
from danlu.machine.meter import Meter
from danlu.model.fast import DTYPES
from danlu.model.heads import unwrapped
from danlu.model.weightless import weightless
from danlu.refusal import Refusal
from danlu.text.batching.batch import Batch
from danlu.train.layouts.matrices import matrices_of
from danlu.train.loop import Loss
from danlu.train.optimizer import moment_bytes
from danlu.train.parameters import Share
from danlu.train.settings import Training
from danlu.tuning.layers import blocks_of


@dataclass(frozen=True)
class Passed:
    """A micro-batch on its way forward and back, in bytes and operations.

    - `kept`: what is held when the loss is known: what the way back needs, and masks.
    - `recomputed`: the same where each block keeps its input alone; None where a network does not tell its blocks.
    - `beyond`: the most that is held beyond that later: gradients, and what comes and goes.
    - `gradients`: those of the trained parameters, which are among these at the end.
    """

    tokens: int
    forward: int
    training: int
    kept: int
    recomputed: int | None
    beyond: int
    gradients: int


def passed(model: nn.Module, loss: Loss, batch: Batch, tokens: int, precision: str) -> Passed:
    """Take a batch, which lies on the CPU, through `model`, which may be without weights, and back.

    `precision` is resolved. The model is as it is trained, so what its dropout and attention keep is counted.
    """
    dtype = torch.float32 if precision == "float16" else DTYPES[precision]
    tables = {name: module for name, module in model.named_modules() if isinstance(module, nn.Embedding)}
    looked_up = {f"{name}.weight" for name, table in tables.items() if table.sparse}
    bare = weightless(model).to(dtype).train()
    for name, parameter in bare.named_parameters():
        if name in looked_up:  # their gradients are a few rows
            parameter.requires_grad = False
    trained = [parameter for parameter in bare.parameters() if parameter.requires_grad]
    with torch.random.fork_rng(devices=[]), torch.enable_grad(), Meter() as meter, _blocks(bare, meter) as blocks:
        with Halved() if precision == "float16" else nullcontext():
            sums = [value for value in loss(bare, batch).values() if value.requires_grad]
        forward, kept = meter.operations, meter.held
        within, outputs = [*blocks.within], [*blocks.outputs]
        gradients = _gradients(sums, trained)
        size = sum(value.nbytes for value in gradients if value is not None)
    recomputed = kept - sum(within) + sum(outputs) + max(within) if within else None
    return Passed(tokens, forward, meter.operations, kept, recomputed, max(0, meter.peak - kept), size)


def _gradients(sums: list[Tensor], trained: list[nn.Parameter]) -> tuple[Tensor | None, ...]:
    if not sums:
        return ()
    ones = [torch.ones_like(value) for value in sums]
    found: tuple[Tensor | None, ...] = torch.autograd.grad(sums, trained, ones, allow_unused=True)
    return found


class _Seen:
    """What blocks hold when they are left, beyond what was held when they were entered, and of it their outputs."""

    def __init__(self) -> None:
        self.within: list[int] = []
        self.outputs: list[int] = []
        self.entered: list[int] = []


@contextmanager
def _blocks(model: nn.Module, meter: Meter) -> Iterator[_Seen]:
    seen, hooks = _Seen(), []

    def enter(_module: nn.Module, _arguments: Any) -> None:
        seen.entered.append(meter.held)

    def leave(_module: nn.Module, _arguments: Any, output: Any) -> None:
        first = output[0] if isinstance(output, tuple) else output
        seen.within.append(meter.held - seen.entered.pop())
        seen.outputs.append(first.nbytes if isinstance(first, Tensor) else 0)

    for module in block_modules(model):
        hooks += [module.register_forward_pre_hook(enter), module.register_forward_hook(leave)]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def block_modules(model: nn.Module) -> list[nn.Module]:
    """The blocks of a network in its trunk, none where it does not tell them."""
    inner = unwrapped(model)
    try:
        return [inner.get_submodule(prefix.removesuffix(".")) for prefix in blocks_of(inner)]
    except (Refusal, AttributeError):
        return []


@dataclass(frozen=True)
class States:
    """Bytes that a training holds of its parameters whatever the batch is.

    - `weights`: in the number format that is computed with; `masters`: in float32 beside them, of what is trained.
    - `gradients`: their sums, in float32; `moments`: what the optimizer keeps; `copies`: the average, and the best.
    - `single`: the weights in float32, as they lie where they are dealt out.
    - `largest`: weights of the largest block, and of all that stands in no block.
    """

    weights: int
    masters: int
    gradients: int
    moments: int
    copies: int
    single: int
    largest: int
    outside: int

    @property
    def together(self) -> int:
        """All of it, on one device."""
        return self.weights + self.masters + self.gradients + self.moments + self.copies


def states(model: nn.Module, settings: Training, precision: str, *, copies: int) -> States:
    """What is held for the parameters of `model`, which may be without weights; `copies` of those that are trained."""
    size = weight_bytes(precision)
    counted = {id(parameter): parameter for parameter in model.parameters()}
    trained = sum(parameter.numel() for parameter in counted.values() if parameter.requires_grad)
    matrices = matrices_of(model)
    shares = [
        Share([parameter], decays=True, matrices=settings.optimizer == "muon" and id(parameter) in matrices)
        for parameter in counted.values()
        if parameter.requires_grad
    ]
    moments = sum(moment_bytes(settings.optimizer, share, settings.momentum) for share in shares)
    blocks = [_bytes(block.parameters(), size) for block in block_modules(model)]
    everything = _bytes(counted.values(), size)
    return States(
        weights=everything,
        masters=4 * trained if size != 4 else 0,
        gradients=4 * trained,
        moments=moments,
        copies=4 * trained * copies,
        single=_bytes(counted.values(), 4),
        largest=max(blocks, default=0),
        outside=everything - sum(blocks),
    )


def weight_bytes(precision: str) -> int:
    """Of a weight on its device; those of float16 are float32, and cast where they compute."""
    return DTYPES[precision].itemsize if precision != "float16" else 4


def _bytes(parameters: Iterable[Tensor], size: int) -> int:
    """What parameters take, `size` bytes each number; whole numbers keep theirs."""
    return sum(each.numel() * (size if each.is_floating_point() else each.element_size()) for each in parameters)
