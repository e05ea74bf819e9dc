"""The first items of a list in an order of which a model that reads both texts has a say."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.catalogue import Catalogue
from danlu.apps.recommend.features import View

READ = 20
"""Items that the model reads beside what the user likes."""
LIKED = 5
"""Items that stand for what the user likes, the last ones."""

Rerank = Callable[[str, Sequence[str]], Sequence[float]]
Numbers = NDArray[np.float64]
Places = NDArray[np.int64]


def reranked(
    rerank: Rerank, places: Places, scores: Numbers, view: View, interests: str, catalogue: Catalogue
) -> tuple[Places, Numbers]:
    """The first `READ` by the mean of their places in both orders; scores stay where they stand, so they fall."""
    liked = [catalogue.items[place].shown for place, _ in view.history[:LIKED]]
    query = "\n".join([*([interests] if interests.strip() else []), *liked])
    first = places[:READ]
    if not query or len(first) < 2:
        return places, scores
    said = np.array(rerank(query, [catalogue.items[place].words for place in first]))
    theirs = np.argsort(np.argsort(-said, kind="stable"), kind="stable")
    order = np.argsort(np.arange(len(first)) + theirs, kind="stable")
    return np.concatenate([first[order], places[len(first) :]]), scores
