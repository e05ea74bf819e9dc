"""What stands in a list, and why."""

from collections.abc import Mapping
from dataclasses import dataclass

from danlu.apps.recommend.item import Item
from danlu.apps.recommend.reasons import Reason


@dataclass(frozen=True)
class Recommended:
    """An item of a list: why it is there, its score, and how much each way said for it."""

    item: Item
    score: float
    reason: Reason
    parts: Mapping[str, float]


@dataclass(frozen=True)
class Near:
    """An item that is like another: by behaviour, by text."""

    item: Item
    score: float
    together: float
    text: float
