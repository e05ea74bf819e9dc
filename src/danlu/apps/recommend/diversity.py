"""Lists that do not say the same thing ten times: maximal marginal relevance (Carbonell and Goldstein, 1998)."""

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]


def diverse(scores_K: Numbers, alike_KK: Numbers, limit: int, dial: float) -> list[int]:
    """Which of K items make the list, in order: (1 - dial) of the score less dial of the likeness to what stands there.

    Scores are brought to 0 to 1 first. `dial` 0 is the plain ranking, of equal scores the first; at 1 all that counts
    after the first item is how little each is like those before it.
    """
    if not len(scores_K):
        return []
    if dial <= 0:
        plain: list[int] = np.argsort(-scores_K, kind="stable")[:limit].tolist()
        return plain
    spread = float(scores_K.max() - scores_K.min())
    wanted = (1 - dial) * ((scores_K - scores_K.min()) / spread if spread else np.zeros(len(scores_K)))
    chosen = [int(np.argmax(scores_K))]
    nearest = alike_KK[chosen[0]].copy()
    while len(chosen) < min(limit, len(scores_K)):
        value = wanted - dial * nearest
        value[chosen] = -np.inf
        following = int(np.argmax(value))
        chosen.append(following)
        nearest = np.maximum(nearest, alike_KK[following])
    return chosen
