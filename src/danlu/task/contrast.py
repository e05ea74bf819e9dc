"""Losses of vectors that are learnt from one another.

Shapes: B queries, D documents, E numbers of a vector.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from danlu.refusal import Refusal
from danlu.text.batching.encoded import Encoded

BLOCK = 1024  # texts that are compared with all others at once

Pooling = Literal["mean", "first", "last", "max", "weighted"]
"""How the tokens of a text become its vector: their mean, the first or the last one, the largest of each number, or the
mean in which each weighs as much as its place (Muennighoff, 2022)."""


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


def of_pairs(
    vectors_RE: Tensor, targets: Mapping[str, Tensor], temperature: float, objective: str, *, symmetric: bool
) -> Tensor:
    """The objective of texts and what fits them, which stands behind each, and behind that what does not; summed."""
    rows_B = targets["texts"]
    first_B = rows_B.cumsum(0) - rows_B
    queries_BE, fitting_BE = vectors_RE[first_B], vectors_RE[first_B + 1]
    if "score" in targets:
        cosines_B = (queries_BE * fitting_BE).sum(-1)
        if objective == "cosine":
            return functional.mse_loss(cosines_B, targets["score"], reduction="sum")
        return cosent(cosines_B, targets["score"], temperature) * len(cosines_B)
    others_R = torch.ones(len(vectors_RE), dtype=torch.bool, device=vectors_RE.device)
    others_R[first_B] = others_R[first_B + 1] = False
    documents_DE = torch.cat([fitting_BE, vectors_RE[others_R]])
    forth = info_nce(queries_BE, documents_DE, targets["pair"], temperature)
    if not symmetric:
        return forth
    return (forth + info_nce(fitting_BE, queries_BE, targets["back"], temperature)) / 2


def sup_con(vectors_BE: Tensor, label_B: Tensor, temperature: float) -> Tensor:
    """Cross-entropy of those of the same label among all others, on average, summed (Khosla et al., 2020).

    A text whose label no other one of the batch has teaches nothing.
    """
    itself_BB = torch.eye(len(vectors_BE), dtype=torch.bool, device=vectors_BE.device)
    same_BB = (label_B[:, None] == label_B[None, :]) & ~itself_BB
    scores_BB = (vectors_BE @ vectors_BE.T / temperature).masked_fill(itself_BB, torch.finfo(vectors_BE.dtype).min)
    logs_BB = torch.log_softmax(scores_BB, 1).masked_fill(~same_BB, 0)
    return -(logs_BB.sum(1) / same_BB.sum(1).clamp(min=1)).sum()


def cosine_of_labels(vectors_BE: Tensor, label_B: Tensor, _temperature: float) -> Tensor:
    """Squared distance of the cosine of all pairs of a batch from 1 where they have one label, else from 0.

    It is the mean over the pairs times the texts (Reimers and Gurevych, 2019; the pairs as in Tunstall et al., 2022).
    """
    same_BB = (label_B[:, None] == label_B[None, :]).to(vectors_BE.dtype)
    above = torch.triu_indices(len(label_B), len(label_B), 1, device=label_B.device).unbind()
    apart = ((vectors_BE @ vectors_BE.T)[above] - same_BB[above]).square()
    return apart.sum() / max(1, apart.numel()) * len(label_B)


def nearest_labels(predictions: Iterable[Mapping[str, Any]], labels: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Of each text the label of the one whose `vector` is nearest to its own of all others, as a prediction.

    Raises `Refusal` where there are no others.
    """
    vectors_NE = np.array([each["vector"] for each in predictions], np.float32)
    if len(vectors_NE) == 1:
        raise Refusal("a text alone has none that could be nearest to it; give two records or more to examine it by")
    for start in range(0, len(vectors_NE), BLOCK):
        alike_MN = vectors_NE[start : start + BLOCK] @ vectors_NE.T
        alike_MN[np.arange(len(alike_MN)), np.arange(start, start + len(alike_MN))] = -np.inf
        for nearest in alike_MN.argmax(1):
            yield {"label": labels[nearest], "scores": {labels[nearest]: 1.0}}


def pooled(hidden_BTE: Tensor, mask_BT: Tensor | None, pooling: Pooling) -> Tensor:
    """The vector (B, E) of each row, of which padding stands behind the tokens; see `Pooling`."""
    if pooling == "first":
        return hidden_BTE[:, 0].float()
    mask_BT = hidden_BTE.new_ones(hidden_BTE.shape[:2]) if mask_BT is None else mask_BT
    if pooling == "last":
        last_B11 = (mask_BT.long().sum(1) - 1).clamp(min=0)[:, None, None]
        return hidden_BTE.gather(1, last_B11.expand(-1, 1, hidden_BTE.shape[2]))[:, 0].float()
    weights_BT1 = mask_BT[..., None].float()
    if pooling == "max":
        return hidden_BTE.float().masked_fill(weights_BT1 == 0, -torch.inf).amax(1)
    if pooling == "weighted":
        weights_BT1 = weights_BT1 * weights_BT1.cumsum(1)
    return (hidden_BTE.float() * weights_BT1).sum(1) / weights_BT1.sum(1).clamp(min=1)
