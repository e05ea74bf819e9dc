"""What a search may try: the ranges of a recipe, each checked by reading the recipe with its ends."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from danlu.recipe.commented import inline
from danlu.recipe.read import written
from danlu.recipe.search import Range
from danlu.refusal import Refusal
from danlu.stages.recipe import Recipe, read

if TYPE_CHECKING:
    from optuna.trial import Trial

DIGITS = 4  # of a number that is tried: more tell nothing, and nobody wants to type them
EXACT = 12  # of one that goes by steps, without what float64 adds to sums

Source = str | Path | Mapping[str, Any]


@dataclass(frozen=True)
class Sought:
    """A value of the recipe that is sought: a number between two, or one of some texts of YAML."""

    key: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float | None = None
    whole: bool = False
    choices: tuple[str, ...] = ()

    def ends(self) -> tuple[str, ...]:
        """The values at both ends, or all choices, as they stand in an override."""
        return self.choices or (self._written(self.low), self._written(self.high))

    def suggested(self, trial: "Trial") -> str:
        """What a trial tries, as it stands in an override; the same for the same trial."""
        if self.choices:
            return str(trial.suggest_categorical(self.key, self.choices))
        if self.whole:
            step = int(self.step or 1)
            return str(trial.suggest_int(self.key, int(self.low), int(self.high), step=step, log=self.log))
        return self._written(trial.suggest_float(self.key, self.low, self.high, step=self.step, log=self.log))

    def shown(self, value: Any) -> str:
        """A parameter of a trial, as it stands in an override."""
        return str(value) if self.choices else self._written(value)

    def _written(self, value: float) -> str:
        if self.whole:
            return str(int(value))
        digits = DIGITS if self.step is None else EXACT
        rounded = float(f"{value:.{digits}g}")
        return repr(min(max(rounded, self.low), self.high))


@dataclass(frozen=True)
class Space:
    """All that is sought in a recipe.

    - `touched`: the stages whose sections the ranges change.
    - `touches`: of each that is sought, the stages whose sections it changes.
    - `first`: the recipe with the first value of each.
    """

    sought: tuple[Sought, ...]
    touched: tuple[str, ...]
    first: Recipe
    touches: tuple[frozenset[str], ...]

    def suggested(self, trial: "Trial") -> list[str]:
        """The overrides of a trial."""
        return [f"{each.key}={each.suggested(trial)}" for each in self.sought]


def space_of(source: Source, overrides: Sequence[str], ranges: Mapping[str, Range | list[Any]]) -> Space:
    """What the ranges mean for the recipe that `overrides` make of `source`.

    Raises:
        Refusal: a range that its key does not take, with the place, the value and what is expected.
    """
    place = written(source).place
    sought, touches = [], list[frozenset[str]]()
    for key, given in ranges.items():

        def try_(value: str, key: str = key) -> Recipe:
            return read(source, [*overrides, f"{key}={value}"])

        each = _sought(key, given, try_)
        tried = []
        for value in each.ends():
            try:
                tried.append(try_(value))
            except Refusal as refusal:
                where = place(("search", "ranges", key))
                raise Refusal(f"{where}: with {value} the recipe is refused: {refusal}") from None
        changed = {name for one in tried for name, stage in one.stages.items() if stage != tried[0].stages[name]}
        if any(one.seed != tried[0].seed for one in tried):
            changed.update(tried[0].stages)
        if not changed:
            where = place(("search", "ranges", key))
            raise Refusal(f"{where}: the value changes no stage; name one of a stage, or seed")
        sought.append(each)
        touches.append(frozenset(changed))
    first = read(source, [*overrides, *(f"{each.key}={each.ends()[0]}" for each in sought)])
    touched = frozenset[str]().union(*touches)
    return Space(tuple(sought), tuple(name for name in first.stages if name in touched), first, tuple(touches))


def _sought(key: str, given: Range | list[Any], try_: Callable[[str], Recipe]) -> Sought:
    if isinstance(given, list):
        return Sought(key, choices=tuple(inline(value) for value in given))
    low, high, step = given.low, given.high, given.step
    if step is not None:  # the last value that a step reaches
        low_, step_ = Decimal(repr(low)), Decimal(repr(step))
        last = low_ + step_ * math.floor((Decimal(repr(high)) - low_) / step_)
        high = int(last) if isinstance(low, int) and isinstance(step, int) else float(last)
    whole = isinstance(low, int) and isinstance(high, int) and (step is None or isinstance(step, int))
    if whole and step is None and _takes_fractions(low, try_):
        whole = False
    return Sought(key, low, high, given.log, step, whole)


def _takes_fractions(low: float, try_: Callable[[str], Recipe]) -> bool:
    """Whether the key takes a number above `low`, which is whole, and below the next one, found by trying."""
    try:
        try_(repr(low + 0.5))
    except Refusal:
        return False
    return True
