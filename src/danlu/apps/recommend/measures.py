"""How good a list is: NDCG (Järvelin and Kekäläinen, 2002) and recall, every item among all."""

from collections.abc import Collection, Sequence
from math import log2


def ndcg(ranked: Sequence[int], right: Collection[int], k: int = 10) -> float:
    """The gain of a ranking beside the best possible one; each right item gains 1, less the further down it stands."""
    best = sum(1 / log2(place + 2) for place in range(min(k, len(right))))
    gained = sum(1 / log2(place + 2) for place, item in enumerate(ranked[:k]) if item in right)
    return gained / best if best else 0.0


def recall(ranked: Sequence[int], right: Collection[int], k: int = 50) -> float:
    """The share of what is right that stands among the first `k`."""
    return sum(item in right for item in ranked[:k]) / len(right) if right else 0.0
