"""What a user has done with an item, and how much that says."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from danlu.apps.recommend.item import refuse_name, refuse_time
from danlu.refusal import Refusal

UNIT = 100
"""Weights are kept as whole numbers of hundredths, so that sums do not depend on the order in which things came."""
HEAVIEST = 100.0
MOST_ACTIONS = 50


@dataclass(frozen=True)
class Deed:
    """A user had to do with an item; `time` in seconds since 1970."""

    user: str
    item: str
    action: str
    time: float

    def __post_init__(self) -> None:
        """Raises `Refusal` for names and times that are none."""
        for name, value in (("user", self.user), ("item", self.item), ("action", self.action)):
            refuse_name(value, f"behaviour: '{name}'")
        refuse_time(self.time, f"behaviour of '{self.user}'")


@dataclass(frozen=True)
class Weights:
    """How much each action says, in hundredths; actions that are not here are not known."""

    units: Mapping[str, int]

    def of(self, action: str) -> int | None:
        """Hundredths, or None for an action that is not known."""
        return self.units.get(action)

    @property
    def lightest(self) -> str:
        """The action that says least."""
        return min(self.units, key=lambda action: self.units[action])

    def plain(self) -> dict[str, float]:
        """As they are written."""
        return {action: units / UNIT for action, units in self.units.items()}


def refuse_unweighed(deeds: Iterable[Deed], weights: Weights) -> None:
    """Raises `Refusal` for an action without a weight."""
    for deed in deeds:
        if weights.of(deed.action) is None:
            raise Refusal(
                f"behaviour: the action '{deed.action[:40]}' has no weight; the actions here are: "
                f"{', '.join(weights.units)}"
            )


USUAL = {"view": 1.0, "click": 2.0, "comment": 3.0, "share": 4.0}


def weights_of(given: Mapping[str, float]) -> Weights:
    """Weights as they are written; raises `Refusal` for what is none."""
    if not given or len(given) > MOST_ACTIONS:
        raise Refusal(f"weights: there are {len(given)} actions; expected 1 to {MOST_ACTIONS}, such as view=1 share=4")
    units = {}
    for action, weight in given.items():
        refuse_name(action, "weights: an action")
        if not (math.isfinite(weight) and 1 / UNIT <= weight <= HEAVIEST):
            raise Refusal(f"weights: '{action}' weighs {weight:g}; expected {1 / UNIT} to {HEAVIEST:g}")
        units[action] = round(weight * UNIT)
    return Weights(units)


_WRITTEN = re.compile(r"\s*([^=\s][^=]*?)\s*=\s*([0-9.eE+-]+)\s*")


def weights_in(words: str) -> Weights:
    """Weights from a text such as `view=1,share=4`; raises `Refusal` where it is none."""
    found: dict[str, float] = {}
    for part in words.split(","):
        match = _WRITTEN.fullmatch(part)
        try:
            found[match[1]] = float(match[2])  # type: ignore[index]
        except (TypeError, ValueError):
            raise Refusal(f"weights: '{part[:40]}' is no weight; write view=1,click=2,comment=3,share=4") from None
    return weights_of(found)
