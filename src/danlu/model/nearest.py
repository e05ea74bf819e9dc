"""Which tokens a model takes for alike."""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import PreTrainedModel


@torch.no_grad()
def nearest_tokens(model: PreTrainedModel, tokens: Sequence[int], count: int) -> list[list[tuple[int, float]]]:
    """For each token the `count` others whose input embeddings are most alike, with the cosine, the best first.

    V tokens in the vocabulary, K asked for, D width.
    """
    table: Tensor = model.get_input_embeddings().weight  # type: ignore[assignment]
    table_VD = torch.nn.functional.normalize(table.float(), dim=-1)
    asked_K = torch.tensor(list(tokens), dtype=torch.long, device=table_VD.device)
    cosine_KV = table_VD[asked_K] @ table_VD.T
    cosine_KV[torch.arange(len(asked_K)), asked_K] = -2.0  # a token is no neighbour of its own
    best = cosine_KV.topk(min(count, len(table_VD) - 1))
    return [list(zip(*row, strict=True)) for row in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
