"""A network as it would compute on an accelerator that is not there: torch's fused kernels, by their shapes alone."""

from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.masking_utils import sdpa_mask

from danlu.model.heads import unwrapped

NAME = "danlu_planned"


class FusedDropout(nn.Module):
    """Dropout that keeps one byte a value."""

    def __init__(self, probability: float) -> None:
        """Drop with this probability while training."""
        super().__init__()
        self.p = probability

    def forward(self, hidden: Tensor) -> Tensor:
        """The hidden states, of any shape."""
        return torch.native_dropout(hidden, self.p, train=True)[0] if self.training and self.p else hidden


def use_fused_kernels(model: nn.Module) -> None:
    """Let a network without weights keep what it would keep of its attention and dropout on an accelerator."""
    inner = unwrapped(model)
    if inner._supports_sdpa and inner._can_set_attn_implementation():
        inner.set_attn_implementation(NAME)
    for module in model.modules():
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, FusedDropout(child.p))


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    is_causal: bool | None = None,
    position_bias: Tensor | None = None,
    **_others: Any,
) -> tuple[Tensor, Tensor | None]:
    """Flash attention (Dao et al., 2022), or the kernel that takes a mask."""
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
    drop = dropout if module.training else 0.0
    bias = position_bias
    if attention_mask is not None:
        added = torch.zeros(attention_mask.shape, dtype=query.dtype, device=query.device)
        bias = added if bias is None else bias.to(query.dtype) + added
    if bias is None:
        found = torch.ops.aten._scaled_dot_product_flash_attention(query, key, value, drop, causal, scale=scaling)
        return found[0].transpose(1, 2).contiguous(), None
    wide = bias.to(query.dtype).expand(*query.shape[:3], key.shape[2])
    found = torch.ops.aten._scaled_dot_product_efficient_attention(
        query, key, value, wide, compute_log_sumexp=True, dropout_p=drop, scale=scaling
    )
    return found[0].transpose(1, 2).contiguous(), None


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, sdpa_mask)
