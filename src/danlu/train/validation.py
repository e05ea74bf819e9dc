"""How a model is looked at while it trains."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Validation:
    """`measure` gives metrics, `metric` chooses the best.

    `lost` says of metrics why a model that has them is not wanted, however good; the training then ends.
    """

    measure: Callable[[], dict[str, float]]
    metric: str
    higher_is_better: bool
    lost: Callable[[dict[str, float]], str | None] = lambda _measured: None

    def looked_at(self) -> tuple[dict[str, float], str | None]:
        """What is measured, and why the model is not wanted, if it is not."""
        measured = self.measure()
        return measured, self.lost(measured)
