"""Vectors of their own before the text in every block (Li and Liang 2021; Liu et al. 2022, P-Tuning v2).

What a block reads at these places is learnt as its hidden states, and its own projections make keys and values of them,
so that any family carries them; what it makes of them is dropped, for the next block has vectors of its own.
"""

from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.tuning.hooked import put_at
from danlu.tuning.layers import blocks_of
from danlu.tuning.virtual import NAME, Virtual, given_to, hook, replace_input


class Prefix(Virtual):
    """Train vectors that each block reads before the text, and the head where it is a fresh one."""

    def _put(self, model: PreTrainedModel, trunk: nn.Module, ids_P: Tensor) -> None:
        inside = {id(module) for module in trunk.modules()}
        named = [model.get_submodule(prefix[:-1]) for prefix in blocks_of(model)]
        blocks = [block for block in named if id(block) in inside]
        for block, first_PD in zip(blocks, given_to(trunk, blocks, ids_P), strict=True):
            put_at(block, NAME, self._vectors(first_PD), before=replace_input)
        hook(trunk, self.size)
