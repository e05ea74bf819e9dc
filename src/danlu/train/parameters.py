"""The promise of the trained parameters: sums of gradients, norms, steps and copies, in whatever layout they lie.

The loop, the optimizer, averages, checkpoints and the run know this promise alone; a file of `layouts` keeps it. All
that is done value by value (averages, copies, checkpoints) needs no more than `values`, so it is written here, once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from danlu.machine.ranks import Ranks
from danlu.tuning.group import Group

Loss = Callable[[nn.Module, Any], dict[str, Tensor]]

CHUNK = 2**20  # values that are swapped at a time, so that no third copy is needed


@dataclass
class Share:
    """What an optimizer moves alike: tensors in float32 that hold their gradients in `grad` while they move.

    - `decays`: whether weight decay holds for them.
    - `group`: what their rate depends on; None for the rate as it is.
    - `factor`: of the rate in the present step; 0: frozen.
    - `matrices`: whether they are matrices of layers, one a tensor, which some optimizers move in another way.
    """

    tensors: list[nn.Parameter]
    decays: bool
    group: Group | None = None
    factor: float = 1.0
    matrices: bool = False


class Parameters(ABC):
    """All parameters of a model that are trained.

    `named` has them under their names, in the order of the model; `shares` is what an optimizer steps.
    """

    complete: ClassVar[bool] = True
    """Whether each rank holds all of them; else a part, which only all ranks together can compute with."""

    named: list[tuple[str, nn.Parameter]]
    shares: list[Share]

    @abstractmethod
    def begin(self, step: int) -> list[int]:
        """Begin a step, counted from 0; the places in `named` of what moves in it, in order."""

    @abstractmethod
    def add(self, gradients: Sequence[Tensor | None], first: bool) -> None:
        """Add the gradients of one micro-batch, those of what moves, in float32; `first` overwrites instead."""

    @abstractmethod
    def norm(self) -> Tensor:
        """Euclidean norm of all gradients of what moves."""

    @abstractmethod
    def scale(self, factor: float) -> None:
        """Multiply all gradients of what moves."""

    @abstractmethod
    def publish(self) -> None:
        """Let the model compute with the present values."""

    @abstractmethod
    def by_name(self, values: Sequence[Tensor]) -> dict[str, Tensor]:
        """`values`, laid out as `self.values()`, by the names of `named` in their order, in their shapes; no copies."""

    @abstractmethod
    def tensors(self) -> list[Tensor]:
        """All that is held: weights, values and gradients; the same storage may come several times."""

    def values(self) -> list[Tensor]:
        """The parameters themselves, in float32: what optimizers, averages and checkpoints move and keep."""
        return [tensor.detach() for share in self.shares for tensor in share.tensors]

    def gradients(self) -> list[Tensor]:
        """The gradients of `values`, laid out alike; zero where nothing moves."""
        values = [tensor for share in self.shares for tensor in share.tensors]
        return [torch.zeros_like(value) if value.grad is None else value.grad for value in values]

    def expect(self, batches: int) -> None:  # noqa: B027 - most layouts need not know
        """Learn how many micro-batches the step has that has begun."""

    def derived(self, loss: Tensor | None, moving: Sequence[nn.Parameter]) -> tuple[Tensor | None, ...]:
        """The gradients of what moves, `moving` of a replica, for the loss of one micro-batch; None: it is constant."""
        if loss is None or not moving:
            return (None,) * len(moving)
        return torch.autograd.grad(loss, moving, allow_unused=True)

    def trained(self, model: nn.Module) -> nn.Module:
        """What learns where these are the parameters of `model`."""
        return model

    def called(self, loss: Loss) -> Loss:
        """The loss of a model whose parameters lie like this."""
        return loss

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Within the block, which all ranks enter, each of them can compute with the model by itself."""
        yield

    def together(self, ranks: Ranks) -> None:
        """Sum the gradients of what moves over the ranks; each has the same afterwards."""
        for share in self.shares:
            for tensor in share.tensors:
                if ranks.several and share.factor and tensor.grad is not None:
                    ranks.add(tensor.grad)

    def step(self, optimizer: Optimizer, rate: float) -> None:
        """Let `optimizer`, made of `shares` in their order, move what moves; `publish` is to follow."""
        for settings, share in zip(optimizer.param_groups, self.shares, strict=True):
            settings["lr"] = rate * share.factor * settings.get("times", 1.0)
        optimizer.step()

    @torch.no_grad()
    def snapshot(self, into: Sequence[Tensor] = ()) -> list[Tensor]:
        """A copy of the values, written over an earlier one if that is given."""
        if not into:
            return [value.clone() for value in self.values()]
        for kept, value in zip(into, self.values(), strict=True):
            kept.copy_(value)
        return list(into)

    @torch.no_grad()
    def restore(self, values: Sequence[Tensor]) -> None:
        """Take over values as `snapshot` gave them."""
        for own, value in zip(self.values(), values, strict=True):
            own.copy_(value)
        self.publish()

    @torch.no_grad()
    def swap(self, values: Sequence[Tensor]) -> None:
        """Exchange the values with others, in place."""
        for own, other in zip(self.values(), values, strict=True):
            pieces = zip(torch.split(own.view(-1), CHUNK), torch.split(other.view(-1), CHUNK), strict=True)
            for mine, theirs in pieces:
                kept = mine.clone()
                mine.copy_(theirs)
                theirs.copy_(kept)
        self.publish()

    def state(self, optimizer: Optimizer) -> dict[str, Tensor]:
        """The values, and what `optimizer` keeps of them, for a checkpoint; no copies."""
        kept = {}
        for i, tensor in enumerate(self._tensors()):
            kept[f"master.{i}"] = tensor.detach()
            for name, value in optimizer.state.get(tensor, {}).items():
                if value is not None:
                    kept[f"optimizer.{i}.{name}"] = value
        return kept

    @torch.no_grad()
    def load(self, kept: Mapping[str, Tensor], optimizer: Optimizer) -> None:
        """Take over what `state` gave. Raises `KeyError` or `RuntimeError` for what other parameters have left."""
        for i, tensor in enumerate(self._tensors()):
            tensor.copy_(kept[f"master.{i}"])
            prefix = f"optimizer.{i}."
            names = [name for name in kept if name.startswith(prefix)]
            if names:
                optimizer.state[tensor] = {name.removeprefix(prefix): kept[name].to(tensor.device) for name in names}
        self.publish()

    def _tensors(self) -> list[nn.Parameter]:
        return [tensor for share in self.shares for tensor in share.tensors]


def storage_bytes(tensors: Iterable[Tensor]) -> int:
    """Bytes that tensors hold together; what several of them share counts once."""
    parts = [getattr(tensor, "_local_tensor", tensor) for tensor in tensors]  # of a distributed one what is here
    storages = {part.untyped_storage().data_ptr(): part.untyped_storage().nbytes() for part in parts}
    return sum(storages.values())
