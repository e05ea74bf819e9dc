"""One order from several."""

from collections.abc import Mapping, Sequence

STEADY = 60
"""Of reciprocal ranks: how little the first places count beyond those behind (Cormack et al., 2009)."""


def reciprocal_ranks(orders: Mapping[str, Sequence[int]]) -> dict[int, float]:
    """The sum of 1 / (60 + place) of each thing over the orders that have it (Cormack et al., 2009)."""
    found: dict[int, float] = {}
    for order in orders.values():
        for place, thing in enumerate(order, 1):
            found[thing] = found.get(thing, 0.0) + 1 / (STEADY + place)
    return found
