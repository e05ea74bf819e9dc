"""Losses of vectors that are learnt from one another.

Shapes: B queries, D documents, E numbers of a vector.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from danlu.text.batching.encoded import Encoded


def known_fits(encoded: Sequence[Encoded]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """What must not be taken for a negative, of queries (B, D) and of positives (B, B).

    Documents are the positives of all examples, and after them the negatives. A document fits a query if it is a
    positive of one that reads the same, or the query itself; its own positive is not marked. Texts are told by their
    tokens.
    """
    keys = [[row.input_ids.tobytes() for row in item.rows] for item in encoded]
    fits: dict[bytes, set[bytes]] = {}
    asks: dict[bytes, set[bytes]] = {}
    for query, positive, *_ in keys:
        fits.setdefault(query, {query}).add(positive)
        asks.setdefault(positive, {positive}).add(query)
    documents = [each[1] for each in keys] + [negative for each in keys for negative in each[2:]]
    forth = np.array([[document in fits[each[0]] for document in documents] for each in keys], bool)
    back = np.array([[other[0] in asks[each[1]] for other in keys] for each in keys], bool)
    for marks in (forth, back):
        np.fill_diagonal(marks[:, : len(keys)], val=False)
    return forth, back


def info_nce(queries_BE: Tensor, documents_DE: Tensor, known_BD: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of the own positive among all documents that are not known to fit, summed (van den Oord, 2018)."""
    scores_BD = queries_BE @ documents_DE.T / temperature
    scores_BD = scores_BD.masked_fill(known_BD, torch.finfo(scores_BD.dtype).min)
    own_B = torch.arange(len(scores_BD), device=scores_BD.device)
    return functional.cross_entropy(scores_BD, own_B, reduction="sum")


def cosent(cosines_B: Tensor, scores_B: Tensor, temperature: float) -> Tensor:
    """log(1 + sum of exp((cos_j - cos_i) / temperature)) over pairs of which i has the higher score (Su, 2022)."""
    apart_BB = (cosines_B[None, :] - cosines_B[:, None]) / temperature
    wrong = apart_BB[scores_B[:, None] > scores_B[None, :]]
    return torch.logsumexp(functional.pad(wrong, (1, 0)), 0)


def pooled(hidden_BTE: Tensor, mask_BT: Tensor | None, pooling: str) -> Tensor:
    """The vector (B, E) of each row: the mean of its tokens, or its first one."""
    if pooling == "first":
        return hidden_BTE[:, 0].float()
    if mask_BT is None:
        return hidden_BTE.float().mean(1)
    weights_BT1 = mask_BT[..., None].float()
    return (hidden_BTE.float() * weights_BT1).sum(1) / weights_BT1.sum(1).clamp(min=1)
