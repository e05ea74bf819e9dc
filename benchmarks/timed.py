"""A training of so many minutes, whatever the machine: how many steps fit is measured, and the clock ends it."""

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import danlu
from danlu.train.events import Event, Leave, Stepped, Stopped, Validated

PROBE = 0.08  # share of the minutes, in which the speed is measured before the training begins
WARM_UP = 4  # steps that are not timed
MARGIN = 0.9  # of the steps that would fit, since a validation takes time as well


@dataclass
class Timed:
    """A training that has had its minutes.

    - `curve`: seconds since the first step, with the metrics of each validation.
    - `cut`: whether the clock ended it before its last step.
    """

    bundle: Path
    steps: int
    seconds: float
    cut: bool
    curve: list[tuple[float, dict[str, float]]] = field(default_factory=list)


def trained_for(
    minutes: float, recipe: Mapping[str, Any], stage: str, root: Path, *, validations: int = 4, **overrides: Any
) -> Timed:
    """Train the stage of a recipe for so many minutes, loading left out and validations counted.

    Raises:
        Refusal: what the recipe asks for is not there.
    """
    limit = minutes * 60
    begun: list[float] = []
    since = [0.0, 0.0]  # when the first step began, and when the last event came

    def probe(name: str, event: Event) -> Leave | None:
        if name == stage and isinstance(event, Stepped):
            begun.append(time.perf_counter())
            enough = len(begun) > 2 * WARM_UP and begun[-1] - begun[WARM_UP] > PROBE * limit
            return "checkpoint" if enough else None
        return None

    every = {f"{stage}.train.epochs": None, f"{stage}.train.evaluate": 10**6} | overrides
    with contextlib.suppress(Stopped):
        danlu.run(recipe, root=root, say=_silent, watch=probe, **every, **{f"{stage}.train.steps": 10**6})
    a_step = (begun[-1] - begun[WARM_UP]) / (len(begun) - 1 - WARM_UP)
    steps = max(2, int(MARGIN * limit / a_step))
    found = Timed(Path(), 0, 0.0, cut=False)

    def clock(name: str, event: Event) -> Leave | None:
        if name != stage:
            return None
        since[1] = time.perf_counter()
        since[0] = since[0] or since[1] - a_step
        now = since[1] - since[0]
        if isinstance(event, Stepped):
            found.steps = event.step.number + 1
            return "best" if now > limit else None
        if isinstance(event, Validated):
            found.curve.append((now, dict(event.line["validation"])))
        return None

    looked = {f"{stage}.train.evaluate": max(1, steps // max(1, validations))}
    try:
        danlu.run(recipe, root=root, say=_silent, watch=clock, **every | looked, **{f"{stage}.train.steps": steps})
    except Stopped:
        found.cut = True
    found.seconds = since[1] - since[0]
    found.bundle = root / str(recipe["name"]) / stage / "bundle"
    return found


def _silent(_line: str) -> None:
    """Say nothing: the tables alone are printed."""
