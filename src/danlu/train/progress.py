"""The bar that a person watches while a model trains."""

import sys
import time
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from danlu.machine.terminal import console, say
from danlu.train.events import Event, Reported

QUIET_SECONDS = 30.0
"""Where nobody watches (no terminal), a line this often."""


class TrainingBar:
    """Loss, rate, tokens a second, share of the machine's limit with the median of its measurements, and time left."""

    def __init__(self, name: str, total: int, start: int, *, shown: bool = True) -> None:
        """A bar of `total` steps that stands at `start`; unless it is `shown`, nothing is said at all."""
        self.name, self.total, self.start, self.shown = name, total, start, shown
        self._begun = self._said = time.monotonic()
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=console(goes_on=True, stderr=True),
            transient=True,
            disable=not (shown and sys.stderr.isatty()),
        )
        self._task = self._progress.add_task(name, total=total, completed=start, numbers="")

    def show(self, event: Event) -> None:
        """Show the newest numbers, where an event has some."""
        if not (self.shown and isinstance(event, Reported)):
            return
        numbers = event.line
        step = numbers["step"]
        loss = f"{numbers['loss']:.3f}" if "loss" in numbers else "-"  # no step since the last line was taken
        words = (
            f"loss {loss}  rate {numbers['rate']:.1e}  "
            f"{numbers['tokens_per_second']:,.0f} tokens/s  {numbers['share_of_limit']:.0%} of "
            f"{numbers['limit'] / 1e9:,.0f} GFLOP/s (median {numbers['limit_in_the_middle'] / 1e9:,.0f})"
        )
        self._progress.update(self._task, completed=step, numbers=words)
        now = time.monotonic()
        if self._progress.disable and now - self._said >= QUIET_SECONDS:
            self._said = now
            left = (now - self._begun) / max(1, step - self.start) * (self.total - step)
            say(f"  {self.name} {step}/{self.total}: {words}; {left:.0f} s left", err=True)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.stop()
