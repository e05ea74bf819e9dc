"""Watches over a training: steps that are not finite, loss spikes, and when to go back for them."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from statistics import median
from typing import Any

from danlu.refusal import Refusal
from danlu.text.batching.batch import Batch
from danlu.train.finite import REMEDY, BadBatches
from danlu.train.loop import Step
from danlu.train.settings import Training
from danlu.train.spikes import FEWEST, WINDOW, threshold

MOST = 5  # times that a training goes back


@dataclass
class Standing:
    """What a checkpoint holds of it.

    - `offset`: groups of data that were left out, so many further on are those of a step. `returns`: how often.
    - `left_out`: steps that were not taken; `bad`: how many in a row so far, but for overflows of float16.
    - `losses`: the last ones; `first`: median of the first ones. `high`: steps of the spike that it is in.
    """

    offset: int = 0
    returns: int = 0
    left_out: list[int] = field(default_factory=list)
    bad: int = 0
    losses: list[float] = field(default_factory=list)
    first: float = 0.0
    high: int = 0

    def to_plain(self) -> dict[str, Any]:
        """For a checkpoint."""
        return asdict(self)

    @classmethod
    def read(cls, plain: dict[str, Any]) -> "Standing":
        """What `to_plain` gave, and nothing where there is none."""
        return cls(**{item.name: plain[item.name] for item in fields(cls) if item.name in plain})


@dataclass(frozen=True)
class Notice:
    """What was noticed of a step: its kind for the log, numbers beside it, and a sentence.

    - `returns`: whether the training is to go back for it.
    """

    kind: str
    numbers: dict[str, Any]
    told: str
    returns: bool = False


class Guard:
    """Looks at each step, and says what a person should hear of it."""

    def __init__(self, settings: Training, batches: BadBatches, standing: Standing) -> None:
        """As a training stands, with `batches` for those that no step is taken with."""
        self.settings, self.batches, self.standing = settings, batches, standing
        self._written: Path | None = None
        self._counts = False

    def not_finite(self, number: int, group: Sequence[Batch], loss: float, norm: float) -> None:
        """Hear of a step that is not taken; see `danlu.train.loop.steps`."""
        data = number + self.standing.offset  # after a return, a step of the same number reads other data
        self._written, self._counts = self.batches.write(number, data, group, loss, norm), True

    def looked_at(self, step: Step, sound: Callable[[], bool]) -> Notice | None:
        """What is to be told of a step; `sound` says whether the weights after it are finite numbers.

        Raises:
            Refusal: the training cannot go on, nor go back.
        """
        if step.taken:
            self.standing.bad = 0
            return self._spike(step)
        self.standing.left_out.append(step.number)
        counts, self._counts = self._counts, False
        if not counts:  # float16 has overflowed, which is ordinary
            return None
        self.standing.bad += 1
        return self._left_out(step, sound=sound())

    def returned(self, step: int, groups: int, then: Standing) -> None:
        """The training has gone back to what it was `then`, and leaves out so many groups of data."""
        now = self.standing
        then.offset, then.returns, then.bad, then.high = now.offset + groups, now.returns + 1, 0, 0
        then.left_out = [number for number in then.left_out if number < step]
        self.standing = then

    def _left_out(self, step: Step, *, sound: bool) -> Notice:
        bad, most = self.standing.bad, self.settings.bad_steps
        numbers = {"loss": str(step.loss), "gradient_norm": str(step.gradient_norm)}
        where = f"; its batch is in {self._written}" if self._written else ""
        what = f"step {step.number:,}: the loss is {step.loss:.4g} and the gradient norm {step.gradient_norm:.4g}"
        if sound and bad < most:
            return Notice("left_out", numbers, f"{what}, so it is left out{where}")
        why = f"{bad} such steps in a row" if sound else "the weights themselves are no finite numbers any more"
        return self._back(Notice("left_out", numbers, f"{what}: {why}{where}"))

    def _spike(self, step: Step) -> Notice | None:
        standing = self.standing
        losses = standing.losses
        most = threshold(losses, standing.first)
        standing.high = standing.high + 1 if step.loss > most else 0
        notice = None
        if standing.high == 1:
            usual = median(losses)
            told = f"step {step.number:,}: the loss is {step.loss:.4g}, far above the {usual:.4g} of the steps before"
            notice = Notice("spike", {"value": step.loss, "usual": usual}, told)
            if self.settings.rollback:
                return self._back(notice)
        passes = 0 < standing.high <= FEWEST  # it counts as the highest of the usual ones, or would hide the next
        losses.append(min(step.loss, max(losses)) if passes else step.loss)
        del losses[:-WINDOW]
        if len(losses) == FEWEST and not standing.first:
            standing.first = median(losses)
        return notice

    def _back(self, notice: Notice) -> Notice:
        """The same, for which the training goes back. Raises `Refusal` where it does not, or has done so too often."""
        if not self.settings.rollback:
            raise Refusal(f"{notice.told}; the last checkpoint is kept; {REMEDY}")
        if self.standing.returns == MOST:
            raise Refusal(f"{notice.told}, and it has gone back {MOST} times already; {REMEDY}")
        return Notice(notice.kind, notice.numbers, notice.told, returns=True)
