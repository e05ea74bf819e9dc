"""Logits that are never there as a whole: hidden states and their head, and what is summed over their logits.

A loss over a vocabulary V needs (K, V) logits, their softmax and its gradient, all in float32: 750 MB for 2,048 tokens
and 30,000 words. Here a few rows have theirs at a time. Their gradient is taken at once, so that nothing is computed
twice (Hsu et al., 2024); where the way back brings more than one factor, or a scale that float16 needs, a chunk is
computed anew there (Chen et al., 2016).

Legend: K places, D width, V vocabulary, C rows of a chunk.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from danlu.model.recomputed import a_few_at_a_time
from danlu.text.batching.batch import rounded_count

Head = Callable[[Tensor], Tensor]
"""Logits (C, V) of hidden states (C, D)."""

FEWEST = 16
"""Rows of a chunk behind the first: products of 5 to 11 have other last digits on one core than on two (2026-11)."""

NOTHING = -100
"""The label of a place that does not count."""


def most_logits(device: torch.device) -> int:
    """How many logits are held at once: 64 MB of them in float32 on a CPU, where larger chunks leave its caches."""
    return 2**24 if device.type == "cpu" else 2**27


@dataclass(frozen=True)
class HeldBack:
    """The logits (K, V) of hidden states (K, D), held back.

    - `weights`: the trained parameters, among which are those of the head.
    - `most`: logits that may be held at once.
    """

    hidden: Tensor
    head: Head
    weights: Sequence[nn.Parameter]
    vocabulary: int
    most: int

    @property
    def rows(self) -> int:
        """How many places have their logits at once."""
        found = max(1, self.most // self.vocabulary)
        return found - found % 64 if found >= 64 else found

    def cross_entropy(self, labels_K: Tensor, smoothing: float = 0.0) -> Tensor:
        """Sum of the cross-entropy in float32, of which labels that are `NOTHING` have no part."""
        if not self.hidden.is_meta and torch.is_autocast_enabled(self.hidden.device.type):
            return self.both(labels_K, smoothing)[0]
        summed = partial(_summed, self.head, smoothing)
        found: Tensor = _AtOnce.apply(summed, labels_K, self.rows, self.hidden, *self.weights)  # type: ignore[no-untyped-call]
        return found

    def both(self, labels_K: Tensor, smoothing: float = 0.0) -> tuple[Tensor, Tensor]:
        """That sum, and the sum of the squares of log Z, each with a gradient of its own, from one pass."""
        compute = partial(_each, self.head, smoothing)
        found_K2 = a_few_at_a_time(compute, {"hidden": self.hidden, "labels": labels_K}, self.rows)
        entropy, squared = found_K2.sum(0)
        return entropy, squared


def _each(head: Head, smoothing: float, piece: Mapping[str, Tensor]) -> Tensor:
    """Cross-entropy and squared log Z of each place, (C, 2)."""
    labels_C = piece["labels"]
    logits_CV = head(piece["hidden"]).float()
    entropy_C = nn.functional.cross_entropy(logits_CV, labels_C, reduction="none", label_smoothing=smoothing)
    squared_C = torch.logsumexp(logits_CV, -1).square().masked_fill(labels_C == NOTHING, 0.0)
    return torch.stack([entropy_C, squared_C], 1)


def _summed(head: Head, smoothing: float, hidden_CD: Tensor, labels_C: Tensor) -> Tensor:
    logits_CV = head(hidden_CD).float()
    return nn.functional.cross_entropy(logits_CV, labels_C, reduction="sum", label_smoothing=smoothing)


class _AtOnce(torch.autograd.Function):
    """A sum over chunks of rows, with its gradient by the rows and by all weights."""

    @staticmethod
    def forward(
        ctx: Any,
        summed: Callable[[Tensor, Tensor], Tensor],
        labels_K: Tensor,
        rows: int,
        hidden_KD: Tensor,
        *weights: nn.Parameter,
    ) -> Tensor:
        total = torch.zeros((), device=hidden_KD.device)
        of_hidden = torch.zeros_like(hidden_KD) if ctx.needs_input_grad[3] else None
        of_weights: list[Tensor | None] = [None] * len(weights)
        for start in range(0, len(hidden_KD), rows):
            stop = min(start + rows, len(hidden_KD))
            least = FEWEST if start else 0  # what is left over would not have the same bits on any number of cores
            spare = min(max(rounded_count(stop - start), least), rows) - (stop - start)  # few shapes
            piece = nn.functional.pad(hidden_KD[start:stop].detach(), (0, 0, 0, spare))
            piece.requires_grad_(of_hidden is not None)
            with torch.enable_grad():
                value = summed(piece, nn.functional.pad(labels_K[start:stop], (0, spare), value=NOTHING))
            wanted = [*([] if of_hidden is None else [piece]), *weights]
            found = list(torch.autograd.grad(value, wanted, allow_unused=True)) if wanted else []
            total += value.detach()
            if of_hidden is not None:
                of_hidden[start:stop] = found.pop(0)[: stop - start]
            for place, gradient in enumerate(found):
                if gradient is not None:
                    of_weights[place] = _added(of_weights[place], gradient)
        summed_up = {place: each.to(weights[place].dtype) for place, each in enumerate(of_weights) if each is not None}
        ctx.places, ctx.whole = list(summed_up), len(weights)
        ctx.save_for_backward(of_hidden, *summed_up.values())
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        of_hidden, *others = ctx.saved_tensors
        found: list[Tensor | None] = [None] * ctx.whole
        for place, gradient in zip(ctx.places, others, strict=True):
            found[place] = gradient * gradients[0]
        return None, None, None, None if of_hidden is None else of_hidden * gradients[0], *found


def _added(total: Tensor | None, gradient: Tensor) -> Tensor:
    """In float32: the gradients of many chunks would lose their last digits in bfloat16."""
    if total is None:
        return gradient.float()
    return total.add_(gradient)
