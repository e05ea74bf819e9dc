"""What a query of attention may see: masks, documents of a row, tokens to come.

Legend: B rows, H heads, L queries, S keys, D width of a head.
"""

import torch
from torch import Tensor

LEAST = -30000.0
"""Added to the scores of what is not seen: the probability is 0, and finite in every number format."""


def allowed_pairs(
    mask: Tensor | None,
    documents: tuple[Tensor, Tensor] | None,
    causal: bool,
    queries: int,
    keys: int,
    device: torch.device,
) -> Tensor | None:
    """Which query may see which key, as a bool that broadcasts to (B, 1, L, S); None if all may see all.

    `documents` (B, L) and (B, S) say which document of its row a query, and a key, belongs to.
    """
    if mask is not None and mask.dtype != torch.bool:
        mask = mask > LEAST  # an additive mask: a very negative number where nothing is seen
    if mask is not None:
        mask = mask[..., :keys]
    if causal and mask is None and queries > 1:
        mask = torch.ones(queries, keys, dtype=torch.bool, device=device).tril(keys - queries)[None, None]
    if documents is not None:
        of_BL, of_BS = documents
        same = (of_BL[:, None, :, None] == of_BS[:, None, None, :]).to(device)
        mask = same if mask is None else mask & same
    return mask


def as_bias(allowed: Tensor, dtype: torch.dtype) -> Tensor:
    """0 where allowed and a very negative number elsewhere; rows that see nothing stay finite."""
    return torch.zeros(allowed.shape, dtype=dtype, device=allowed.device).masked_fill_(~allowed, LEAST)


def bias_of(
    mask: Tensor | None, documents: tuple[Tensor, Tensor] | None, query_BHLD: Tensor, keys: int, *, causal: bool
) -> Tensor | None:
    """What is added to the scores; what an additive mask says beyond yes and no, such as a slope, stays."""
    queries, dtype = query_BHLD.shape[2], query_BHLD.dtype
    allowed = allowed_pairs(mask, documents, causal, queries, keys, query_BHLD.device)
    if allowed is None or mask is None or mask.dtype == torch.bool:
        return None if allowed is None else as_bias(allowed, dtype)
    return mask[..., :keys].to(dtype).masked_fill(~allowed, LEAST)
