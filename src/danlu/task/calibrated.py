"""Probabilities that say how often an answer is right: a temperature, fitted on validation data (Guo et al., 2017).

Shapes: N decisions, C answers to each, M windows.
"""

from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, PrivateAttr
from torch import Tensor

from danlu.data.record import Record
from danlu.refusal import Refusal
from danlu.task.task import Answered, Output, Task
from danlu.text.batching.batch import Batch

Floats = NDArray[np.float64]

FEWEST = 50
"""Validation records, of which a temperature can be told to a fifth or so."""

LEAST, MOST = 0.05, 20.0
"""What a temperature may be; outside of it a model is broken rather than too sure."""

_SMALLEST = 1e-300  # of a probability whose logarithm is taken


class Calibrated(Task):
    """A task whose probabilities may be calibrated: what is answered stays what it was, and only how surely changes."""

    calibrate: bool = Field(
        default=False,
        description="fit a temperature on validation data, so that probabilities tell how often an answer is right",
    )
    temperature: float | None = Field(
        default=None,
        ge=LEAST,
        le=MOST,
        description="what logits are divided by for the probabilities that are told, not for what is answered; None: "
        "fitted under 'calibrate', else 1",
    )

    _with_logits: bool = PrivateAttr(default=False)

    def unnormalised(self) -> Self:
        """This task with outputs of which `energy` can be told: logits, where they were log-probabilities."""
        found = self.model_copy()
        found._with_logits = True
        return found

    def energy(self, outputs: Sequence[Output]) -> float:
        """How much there is in the logits of a record, from the outputs of `unnormalised`, the mean of its windows.

        The logarithm of the sum of exponentiated logits (Liu et al., 2020).
        """
        return float(np.logaddexp.reduce(np.stack(outputs).astype(np.float64), axis=1).mean())

    def logits(self, said: Mapping[str, Tensor]) -> Tensor:
        """The logits (B, C), float32, from what `forward` gave."""
        return said["logits"].float()

    def outputs(self, said: Mapping[str, Tensor], batch: Batch) -> list[Output]:
        """The logits (C,) of each row where these are asked for, else what the task says."""
        if self._with_logits:
            return list(self.logits(said).cpu().numpy())
        return super().outputs(said, batch)  # type: ignore[safe-super]

    @abstractmethod
    def decisions(self, outputs: Sequence[Output], record: Record, number: int) -> tuple[Floats, NDArray[np.int64]]:
        """Log-probabilities (N, C) of what is decided of a record, and which is right, (N,)."""

    def settles_on(self, records: int) -> None:
        """See `Task.settles_on`."""
        if self.calibrate and self.temperature is None and records < FEWEST:
            raise Refusal(
                f"task.calibrate fits a temperature on validation records, and there are {records:,}; give {FEWEST} or "
                "more, or leave 'calibrate' out"
            )

    def settled(self, records: Sequence[Record], outputs: Iterable[Answered]) -> Self:
        """This task with the temperature under which the truth of these records is likeliest.

        Raises `Refusal` where there are too few of them.
        """
        if not self.calibrate or self.temperature is not None:
            return self
        self.settles_on(len(records))
        found = [
            self.decisions(said, record, number)
            for (number, record), (said, _) in zip(enumerate(records), outputs, strict=True)
        ]
        logs_NC, truths_N = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return self.model_copy(update={"temperature": best_temperature(logs_NC, truths_N)})

    def as_told(self, shares_C: Floats) -> Floats:
        """Probabilities as they are told, in the order that they had."""
        return shares_C if self.temperature is None else tempered(logarithms(shares_C), self.temperature)


def logarithms(shares: Floats) -> Floats:
    """Of probabilities, of which none is lower than the least that float64 holds."""
    found: Floats = np.log(np.maximum(shares, _SMALLEST))
    return found


def tempered(logs_C: Floats, temperature: float) -> Floats:
    """Softmax of logits that are divided by a temperature, (..., C); the highest one stays the highest.

    The highest is exp(0) before all are divided by their sum, and no other is above that, whatever is rounded.
    """
    shares: Floats = np.exp((logs_C - logs_C.max(-1, keepdims=True)) / temperature)
    shares /= shares.sum(-1, keepdims=True)
    return shares


def best_temperature(logs_NC: Floats, truths_N: NDArray[np.int64]) -> float:
    """The temperature under which the truth is likeliest, from LEAST to MOST.

    The truth is counted as (N + 1) / (N + 2), and what is left is shared by the others, as in Platt (1999): where all
    answers are right, the likeliest temperature would be 0, which no data can tell. The loss is convex in 1 / T, so its
    slope is followed to where it is 0.
    """
    count, classes = logs_NC.shape
    rest = 1 / (count + 2) / max(1, classes - 1)
    right_N = logs_NC[np.arange(count), truths_N]
    wanted_N = (1 - 1 / (count + 2) - rest) * right_N + rest * logs_NC.sum(1)

    def slope(sharpness: float) -> float:
        expected_N = (tempered(logs_NC, 1 / sharpness) * logs_NC).sum(1)
        return float((expected_N - wanted_N).mean())

    low, high = 1 / MOST, 1 / LEAST
    if slope(low) >= 0:
        return MOST
    if slope(high) <= 0:
        return LEAST
    for _ in range(60):
        middle = (low * high) ** 0.5
        low, high = (middle, high) if slope(middle) < 0 else (low, middle)
    return float(round(1 / (low * high) ** 0.5, 6))
