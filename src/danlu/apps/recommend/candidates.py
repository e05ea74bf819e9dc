"""The few items of many that are looked at closely."""

import numpy as np
from numpy.typing import NDArray

from danlu.apps.recommend.features import NAMES, View

EACH = 100
"""Items that each way proposes."""
WAYS = ("together", "linear", "text", "text_best", "popular", "popular_now", "fresh")
RULE = {"together": 0.6, "linear": 0.3, "text": 1.0, "text_best": 0.2, "popular_now": 1.0}
"""How ways are weighed where no ranker has learnt it; each is divided by its highest value first."""
FRESH = 1.5
"""How much it is worth to be new."""
NOISE = 1e-9
"""A highest value that is no higher is the rounding of sums, as of the linear model."""


def candidates(view: View, each: int = EACH) -> NDArray[np.int64]:
    """The places that the ways propose, of those allowed, in the order of `View.order`."""
    allowed = view.order[view.allowed[view.order]]
    if len(allowed) <= each:
        return allowed
    chosen: set[int] = set()
    for name in WAYS:
        chosen.update(allowed[best(view.of(name)[allowed], each)].tolist())
    if view.wish is not None:
        chosen.update(allowed[best(view.wish[allowed], each)].tolist())
    return allowed[np.isin(allowed, list(chosen))]


def best(values: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Where the highest values stand, the highest first, of equal ones the first; not those of 0 or -infinity."""
    order = np.argsort(-values, kind="stable")[:count]
    found: NDArray[np.int64] = order[(values[order] != 0) & np.isfinite(values[order])]
    return found


def by_rule(features: NDArray[np.float64], highest: NDArray[np.float64]) -> NDArray[np.float64]:
    """The score of items by the rule, (K,); `highest` (F,) is the highest value of each feature among all."""
    total = FRESH * features[:, NAMES.index("fresh")]
    for name, weight in RULE.items():
        place = NAMES.index(name)
        if highest[place] > NOISE:
            total += weight * features[:, place] / highest[place]
    return total
