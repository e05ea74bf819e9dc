"""The trained parameters dealt out to the ranks, each with a part of every tensor (FSDP2, `fully_shard`).

A block is gathered when it computes and let go afterwards, so a rank holds its part of weights, gradients and moments,
and one block. What an optimizer, an average or a checkpoint sees are plain float32 tensors, the parts of this rank.
"""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.tensor import DTensor

from danlu.machine.ranks import Ranks
from danlu.model.apart import settle
from danlu.model.heads import unwrapped
from danlu.refusal import Refusal
from danlu.train.fitting import whole_network_refused
from danlu.train.parameters import Loss, Parameters, Share
from danlu.tuning.group import Group
from danlu.tuning.layers import blocks_of


class _Whole(nn.Module):
    """A model and its loss, in whose forward pass all parameters outside of blocks are there."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, loss: Loss, batch: Any) -> dict[str, Tensor]:
        return loss(self.model, batch)


class ShardedParameters(Parameters):
    """Parameters of which each rank holds a part, for optimizers that work value by value."""

    complete: ClassVar[bool] = False

    def __init__(self, model: nn.Module, groups: Sequence[Group], ranks: Ranks) -> None:
        """Deal out a copy of `model`, which itself only shows what was learnt; vectors do not decay.

        Raises:
            Refusal: this version of torch does not sum what only some ranks have gradients of.
        """
        settle(model)
        self.ranks, self._model = ranks, model
        where = next(model.parameters())
        device, dtype = where.device.type, where.dtype
        compiled = [name for name, module in model.named_modules() if module._compiled_call_impl is not None]
        self._whole = _Whole(copy.deepcopy(model.to("cpu")))  # each block goes to the device as it is dealt out
        model.to("cpu" if ranks.first else "meta")
        self._shown, model = dict(model.named_parameters()), self._whole.model
        self.mesh = DeviceMesh.from_group(ranks.group, device)
        policy = MixedPrecisionPolicy(
            param_dtype=None if dtype == torch.float32 else dtype,
            reduce_dtype=torch.float32,
            cast_forward_inputs=False,
        )
        self._blocks = _blocks(model)
        for block in (*self._blocks, self._whole):
            _to_float32(block)
            dealt: Any = fully_shard(block, mesh=self.mesh, mp_policy=policy)
            dealt.set_gradient_divide_factor(1.0)
            dealt.set_force_sum_reduction_for_comms(True)  # gloo knows no other
        self._said: Tensor | None = None
        for block in self._blocks:
            block.register_forward_hook(self._hear)
        for name in compiled:
            model.get_submodule(name).compile()
        root: Any = self._whole
        if not hasattr(root, "set_reduce_scatter_unused_params"):
            raise Refusal(f"train.parallel: fsdp needs torch 2.13 or later, and here is {torch.__version__}; take ddp")
        root.set_reduce_scatter_unused_params(True)
        self.named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
        self._places: list[list[int]] = []
        self.shares = []
        for group in (None, *groups):
            for decays in (True, False):
                self._share(group, groups, decays=decays)
        self._left = self._batches = 0
        self._rounds = dtype != torch.float32

    def _share(self, group: Group | None, groups: Sequence[Group], *, decays: bool) -> None:
        own = [
            place
            for place, (name, parameter) in enumerate(self.named)
            if next((each for each in groups if name in each.names), None) is group and (parameter.dim() >= 2) is decays
        ]
        if own:
            parts = [nn.Parameter(_part(self.named[place][1])) for place in own]
            self._places.append(own)
            self.shares.append(Share(parts, decays, group))

    def _hear(self, _block: nn.Module, _given: Any, output: Any) -> None:
        """Remember what the last block has said, from which a backward pass reaches all of them."""
        said = output if isinstance(output, Tensor) else next((x for x in output if isinstance(x, Tensor)), None)
        if said is not None and said.requires_grad:
            self._said = said

    def begin(self, step: int) -> list[int]:
        """Find the factors of the groups."""
        for share in self.shares:
            if share.group is not None:
                share.factor = share.group.factor(step)
        return sorted(
            place for share, own in zip(self.shares, self._places, strict=True) if share.factor for place in own
        )

    def trained(self, model: nn.Module) -> nn.Module:
        """The copy that was dealt out."""
        return self._whole.model

    def expect(self, batches: int) -> None:
        """Only after the last of them the gradients are summed over the ranks."""
        self._left = self._batches = batches

    def called(self, loss: Loss) -> Loss:
        """The loss, whose model is gathered block by block as it computes."""

        def whole(_model: nn.Module, batch: Any) -> dict[str, Tensor]:
            found: dict[str, Tensor] = self._whole(loss, batch)  # whose model that one is
            return found

        return whole

    def derived(self, loss: Tensor | None, moving: Sequence[nn.Parameter]) -> tuple[Tensor | None, ...]:
        """Leave the gradients where the sum over the ranks finds them; every rank goes through every block."""
        self._left -= 1
        root: Any = self._whole
        root.set_requires_gradient_sync(self._left == 0)
        if self._rounds and self._left == 0 and self._batches > 1:
            self._fill()
        begun: list[tuple[Tensor, Tensor | None]] = [] if loss is None else [(loss, None)]
        if self._said is not None:
            begun.append((self._said, torch.zeros_like(self._said)))
            self._said = None
        if begun:
            torch.autograd.backward([value for value, _ in begun], [gradient for _, gradient in begun])
        return (None,) * len(moving)

    def _fill(self) -> None:
        """Zeros in float32, as earlier batches have left, for what none has reached: else torch would mix formats."""
        root: Any = self._whole
        for state in root._get_fsdp_state()._state_ctx.all_states:
            for parameter in (each for group in state._fsdp_param_groups for each in group.fsdp_params):
                if parameter.unsharded_accumulated_grad is None and parameter.sharded_param.requires_grad:
                    where = parameter.sharded_param.device
                    parameter.unsharded_accumulated_grad = torch.zeros(parameter._orig_size, device=where)

    def add(self, gradients: Sequence[Tensor | None], first: bool) -> None:
        """Nothing: they are added where they arise."""

    def together(self, ranks: Ranks) -> None:
        """Take this rank's part of the gradients, which were summed as they arose."""
        for share, own in zip(self.shares, self._places, strict=True):
            for part, place in zip(share.tensors, own, strict=True):
                parameter = self.named[place][1]
                found, parameter.grad = parameter.grad, None
                moved = share.factor and found is not None
                part.grad = found.to_local() if moved else None  # type: ignore[union-attr]

    def norm(self) -> Tensor:
        """Euclidean norm over all ranks."""
        found = [part.grad for share in self.shares for part in share.tensors if part.grad is not None]
        squares = [torch.linalg.vector_norm(gradient).square() for gradient in found]
        total = torch.stack(squares).sum() if squares else torch.zeros((), device=self.mesh.device_type)
        return self.ranks.add(total).sqrt()

    def scale(self, factor: float) -> None:
        """Multiply all gradients of what moves."""
        for share in self.shares:
            for part in share.tensors:
                if part.grad is not None:
                    part.grad.mul_(factor)

    def publish(self) -> None:
        """Nothing: the model gathers what the optimizer has moved."""

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Within the block the first rank has all weights in the model that was dealt out, and computes alone."""
        with torch.no_grad():
            for name, value in self._put_together(self.values()):
                if self.ranks.first:
                    self._shown[name].copy_(value)
        if not self.ranks.first:
            yield
            return
        with whole_network_refused():
            try:
                self._model.to(self.mesh.device_type)
                yield
            finally:
                self._model.to("cpu")

    def by_name(self, values: Sequence[Tensor]) -> dict[str, Tensor]:
        """`values` put together again, on the CPU of the first rank; all ranks take part, and others keep nothing."""
        return {name: value.float().cpu() for name, value in self._put_together(values) if self.ranks.first}

    def _put_together(self, values: Sequence[Tensor]) -> Iterator[tuple[str, Tensor]]:
        """Each tensor whole, one after the other, by the name of its parameter."""
        for place, value in zip(self.order(), values, strict=True):
            yield self.named[place][0], self.as_whole(place, value).full_tensor()

    def as_whole(self, place: int, value: Tensor, mesh: DeviceMesh | None = None) -> DTensor:
        """What lies as this rank's part of the parameter at `place` in `named`, as a part of the whole."""
        parameter: Any = self.named[place][1]
        shape, stride = parameter.shape, parameter.stride()
        return DTensor.from_local(
            value, mesh or self.mesh, parameter.placements, run_check=False, shape=shape, stride=stride
        )

    def order(self) -> list[int]:
        """The places in `named` of `values`, in their order."""
        return [place for own in self._places for place in own]

    def tensors(self) -> list[Tensor]:
        """Parts of weights and gradients."""
        return [*self.values(), *self.gradients()]


def _part(parameter: nn.Parameter) -> Tensor:
    """This rank's part of a parameter; the same storage."""
    whole: Any = parameter.detach()
    part: Tensor = whole.to_local()
    return part


def _to_float32(model: nn.Module) -> None:
    """Keep what is not yet dealt out in float32; an embedding's gradient has all of its rows."""
    for module in model.modules():
        if isinstance(module, nn.Embedding):
            module.sparse = False
    for parameter in model.parameters():
        if not isinstance(parameter, DTensor):
            parameter.data = parameter.data.float()


def _blocks(model: nn.Module) -> list[nn.Module]:
    """The blocks that are gathered one by one; of a family that does not tell them none."""
    inner: Any = unwrapped(model)
    try:
        names = blocks_of(inner)
    except Refusal:
        return []
    return [inner.get_submodule(name[:-1]) for name in names]
