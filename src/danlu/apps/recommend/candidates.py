"""The few items of many that are looked at closely."""

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.features import NAMES, View

EACH = 100
"""Items that each way proposes."""
WAYS = ("together", "linear", "text", "text_best", "popular", "popular_now")
RULE = {"together": 1.0, "linear": 1.0, "text": 0.6, "text_best": 0.2, "popular_now": 0.2, "popular": 0.1}
"""How ways are weighed where no ranker has learnt it; each is divided by its highest value first."""


def candidates(view: View, each: int = EACH) -> NDArray[np.int64]:
    """The places that the ways propose, of those allowed, in order of place."""
    allowed = np.flatnonzero(view.allowed)
    if len(allowed) <= each:
        return allowed
    chosen: set[int] = set()
    for name in WAYS:
        chosen.update(allowed[best(view.of(name)[allowed], each)].tolist())
    new = np.where(view.of("no_age")[allowed] > 0, 0.0, 1 / (1 + view.of("age")[allowed]))
    chosen.update(allowed[best(new, each)].tolist())
    if view.wish is not None:
        chosen.update(allowed[best(view.wish[allowed], each)].tolist())
    return np.array(sorted(chosen), np.int64)


def best(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Where the highest values stand, the highest first, of equal ones the first; not those of 0 or -infinity."""
    order = np.argsort(-values, kind="stable")[:count]
    return order[(values[order] != 0) & np.isfinite(values[order])]


def by_rule(features: NDArray[np.float64], highest: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score of items by the rule, (K,); `highest` (F,) is the highest value of each feature among all."""
    total = np.zeros(len(features))
    for name, weight in RULE.items():
        place = NAMES.index(name)
        if highest[place] > 0:
            total += weight * features[:, place] / highest[place]
    return total
