"""Muon for the matrices of layers, and AdamW for all else, as one optimizer."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.optim import Optimizer


class Muon(Optimizer):
    """torch's Muon over some groups and its fused AdamW over the others.

    A step of Muon is the momentum of a matrix, orthogonalised by five iterations of Newton and Schulz in bfloat16
    (Jordan et al., 2024). It is scaled by 0.2 * sqrt(the longer side), so that its values are as large as those of an
    AdamW step and both share rate and weight decay (Liu et al., 2025). It costs 5 * width / (tokens a step) of what the
    gradients of a layer cost, so it is for steps of many tokens.
    """

    def __init__(
        self,
        groups: Sequence[dict[str, Any]],
        matrices: Sequence[bool],
        *,
        rate: float,
        betas: tuple[float, float],
        momentum: float,
    ) -> None:
        """`matrices` says of each group whether Muon moves it; groups keep their order."""
        super().__init__(groups, {"lr": rate})
        turned, others = (
            [group for group, turns in zip(self.param_groups, matrices, strict=True) if turns is wanted]
            for wanted in (True, False)
        )
        scaled = "match_rms_adamw"
        self.parts: list[Optimizer] = [torch.optim.Muon(turned, lr=rate, momentum=momentum, adjust_lr_fn=scaled)]
        if others:
            self.parts.append(torch.optim.AdamW(others, lr=rate, betas=betas, fused=True))
        for part in self.parts:
            part.state = self.state  # no tensor is in both

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Move every tensor that has a gradient."""
        assert closure is None
        for part in self.parts:
            part.step()
