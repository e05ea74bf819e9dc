"""Low-rank updates whose ranks go to the layers where they matter (Zhang et al. 2023, AdaLoRA)."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self, cast

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from danlu.model.replica import replica
from danlu.tuning.added import ADDED, write
from danlu.tuning.combining import Saved, all_stored, refuse_sum, side_by_side
from danlu.tuning.head import fresh_heads
from danlu.tuning.hooked import put_at, taken_from
from danlu.tuning.linear import linear_layers
from danlu.tuning.method import Method
from danlu.tuning.sublayers import sizes

NAME, PARTS = "adalora", ("down", "scales", "up")
SMOOTH = 0.85
"""Share of the step before in what is remembered of how much a weight matters; the paper's for both averages."""


class Adalora(Method):
    """Train an update of each linear layer of the trunk, a fresh head, and how the ranks are shared out."""

    rank: int = Field(default=12, ge=1, description="rank of each update in the beginning")
    target_rank: int = Field(default=8, ge=1, description="mean of the ranks in the end")
    alpha: float = Field(default=16, gt=0, description="scale: alpha / rank")
    targets: Literal["auto", "all-linear"] | list[str] = Field(
        default="all-linear", description="as those of lora: all-linear, auto for peft's choice, or ends of names"
    )
    warmup: float = Field(default=0.1, ge=0, le=0.5, description="share of the steps before ranks are taken away")
    final: float = Field(default=0.3, ge=0, le=0.5, description="share of the steps after the last are taken away")
    every: int = Field(default=10, ge=1, description="steps between two times that ranks are shared out")
    orthogonality: float = Field(
        default=0.1, ge=0, description="weight in the loss of how far the directions of updates are from orthogonal"
    )

    @model_validator(mode="after")
    def _fewer_in_the_end(self) -> Self:
        if self.target_rank > self.rank:
            raise ValueError(f"'target_rank' {self.target_rank} is more than 'rank' {self.rank}; ranks only go away")
        return self

    def apply(self, model: PreTrainedModel) -> nn.Module:
        """The model with updates at its layers, which add nothing yet and have the model's number format.

        Raises:
            Refusal: no layer is called as `targets` says, or there is none.
        """
        heads, names = fresh_heads(model), linear_layers(model, self.targets, self.kind)
        model.requires_grad_(requires_grad=False)
        for name in names:
            layer = model.get_submodule(name)
            put_at(layer, NAME, _Update(layer, self.rank, self.alpha / self.rank), after=_add)
        for name in heads:
            model.get_submodule(name).requires_grad_()
        return model

    def penalty(self, model: nn.Module) -> Tensor:
        """Mean distance of the directions of all updates from orthonormal ones, times `orthogonality`."""
        distances = [distance for update in _updates(model).values() for distance in update.distances()]
        return self.orthogonality * torch.stack(distances).mean()

    def state(self, model: nn.Module) -> dict[str, Tensor]:
        """How much each weight has mattered, and which ranks are left."""
        found = _updates(model).items()
        return {f"{name}.{key}": buffer for name, update in found for key, buffer in update.named_buffers()}

    def served(self, weights: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Method.served`; ranks that went away have a scale of 0."""
        return {
            name: value * state[f"{name.removesuffix('scales')}left"] if name.endswith(f"{NAME}.scales") else value
            for name, value in weights.items()
        }

    def after_gradients(
        self, model: nn.Module, weights: Mapping[str, Tensor], gradients: Mapping[str, Tensor], step: int, total: int
    ) -> bool:
        """Remember how much weights matter until ranks are settled, and take away those that matter least."""
        updates, settled = _updates(model), int(total * (1 - self.final))
        if step < settled:
            for name, update in updates.items():
                update.remember({part: weights[f"{name}.{part}"] * gradients[f"{name}.{part}"] for part in PARTS})
        if step == settled - 1 or (int(total * self.warmup) <= step < settled and step % self.every == 0):
            self._share_out(list(updates.values()), step, total)
        elif step < settled:
            return False
        for name, update in updates.items():
            weights[f"{name}.scales"] *= update.left
        return True

    def merge(self, model: nn.Module) -> PreTrainedModel:
        """The plain model with the updates added to its weights; in float32, since sums round in bfloat16."""
        for layer, update in taken_from(model.float(), NAME, _add):
            change = cast(_Update, update).whole()
            cast(Tensor, layer.weight).data += change.T if isinstance(layer, Conv1D) else change
        return cast(PreTrainedModel, model.requires_grad_(requires_grad=True))

    def untouched(self, model: nn.Module) -> nn.Module:
        """The same layers without updates."""
        off = replica(model)
        taken_from(off, NAME, _add)
        return off.requires_grad_(requires_grad=False).eval()

    def _kept(self, model: nn.Module) -> dict[str, Tensor]:
        """What was trained alone."""
        return {f"weights.{name}": p.detach() for name, p in model.named_parameters() if p.requires_grad}

    def save(self, model: nn.Module, folder: Path) -> None:
        """See `Method.save`; ranks that went away have a scale of 0."""
        gone = {f"weights.{name}.scales": update.kept().detach() for name, update in _updates(model).items()}
        write(folder / ADDED, self._kept(model) | gone, self.kind, self.base(model))

    def combined(self, parts: Sequence[Saved], folder: Path, *, summed: bool) -> Self:
        """All ranks of all updates, side by side; see `Method.combined`."""
        found, base = all_stored(parts, ADDED)
        if summed:
            refuse_sum(parts, [name for name in found[0] if _along(name) is None])

        def times(part: Saved, name: str) -> float:
            saved = cast(Adalora, part.method)
            return part.weight * saved.alpha / saved.rank if name.endswith(".scales") else 1.0

        write(folder / ADDED, side_by_side(parts, found, _along, times), self.kind, base)
        rank = sum(cast(Adalora, part.method).rank for part in parts)
        return self.model_copy(update={"rank": rank, "alpha": float(rank)})

    def budget(self, step: int, total: int) -> float:
        """Mean rank after a step: it falls as a cubic from `rank` to `target_rank` (formula 12)."""
        first, last = int(total * self.warmup), int(total * (1 - self.final)) - 1
        gone = 1.0 if step >= last else max(0.0, (step - first) / max(1, last - first))
        return self.target_rank + (self.rank - self.target_rank) * (1 - gone) ** 3

    def _share_out(self, updates: list["_Update"], step: int, total: int) -> None:
        scores = torch.cat([update.scores() for update in updates])
        count = round(self.budget(step, total) * len(updates))
        left = torch.zeros_like(scores)
        left[scores.argsort(descending=True, stable=True)[:count]] = 1
        for update, own in zip(updates, torch.split(left, self.rank), strict=True):
            update.left.copy_(own)


class _Update(nn.Module):
    """An update `up @ diag(scales) @ down` of a layer's weight."""

    left: Tensor

    def __init__(self, layer: nn.Module, rank: int, factor: float) -> None:
        super().__init__()
        width, out = sizes(layer)
        weight = cast(Tensor, layer.weight)
        self.factor = factor
        self.down = nn.Parameter(weight.new_empty(rank, width).normal_(std=0.02))
        self.scales = nn.Parameter(weight.new_zeros(rank))
        self.up = nn.Parameter(weight.new_empty(out, rank).normal_(std=0.02))
        self.register_buffer("left", weight.new_ones(rank), persistent=False)
        for part in PARTS:
            for kept in ("matters", "varies"):
                self.register_buffer(f"{part}_{kept}", torch.zeros_like(self.get_parameter(part)), persistent=False)

    def forward(self, hidden: Tensor) -> Tensor:
        linear = nn.functional.linear
        scales = self.scales if self.training else self.kept()  # what is gone learns on, since it may come back
        return linear(linear(hidden, self.down) * scales, self.up) * self.factor

    def kept(self) -> Tensor:
        """The scales of the ranks that are left; an average of weights remembers those of others."""
        return self.scales * self.left

    def whole(self) -> Tensor:
        return (self.up * self.kept()) @ self.down.detach() * self.factor

    def distances(self) -> list[Tensor]:
        one = torch.eye(len(self.scales), device=self.down.device)
        down, up = self.down.float(), self.up.float()
        return [torch.linalg.matrix_norm(product - one) for product in (down @ down.T, up.T @ up)]

    def remember(self, moved: Mapping[str, Tensor]) -> None:
        """Average how much the loss would change without each weight, and how far that varies (formulas 9 and 10)."""
        for part, value in moved.items():
            matters, varies = self.get_buffer(f"{part}_matters"), self.get_buffer(f"{part}_varies")
            matters.lerp_(value.abs().to(matters.dtype), 1 - SMOOTH)
            varies.lerp_((value.abs().to(matters.dtype) - matters).abs(), 1 - SMOOTH)

    def scores(self) -> Tensor:
        """How much each rank matters, (rank,): its scale, and the mean of its two directions (formula 8)."""
        of = {part: (self.get_buffer(f"{part}_matters") * self.get_buffer(f"{part}_varies")).float() for part in PARTS}
        return of["scales"] + of["down"].mean(1) + of["up"].mean(0)


def _along(name: str) -> int | None:
    """The dimension of the ranks; None: it has none."""
    return {f"{NAME}.down": 0, f"{NAME}.scales": 0, f"{NAME}.up": 1}.get(".".join(name.split(".")[-2:]))


def _add(layer: Any, arguments: tuple[Tensor, ...], output: Tensor) -> Tensor:
    return output + cast(Tensor, layer.adalora(arguments[0]))


def _updates(model: nn.Module) -> dict[str, _Update]:
    return {name: module for name, module in model.named_modules() if isinstance(module, _Update)}
