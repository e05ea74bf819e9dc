"""The section `search` of a recipe: which of its values are sought, in what range, and what is best.

What a range means for the recipe is not known here; `danlu.trials` finds that by reading the recipe with its ends.
"""

from typing import Any, Literal

from pydantic import Field, StrictFloat, StrictInt, field_validator, model_validator

from danlu.recipe.part import Part

Number = StrictInt | StrictFloat


class Range(Part):
    """Numbers from `low` to `high`, both included."""

    low: Number
    high: Number
    log: bool = Field(default=False, description="as likely between 1 and 10 as between 10 and 100")
    step: Number | None = Field(default=None, gt=0, description="only low, low + step, low + 2 step, ...")

    @model_validator(mode="after")
    def _in_order(self) -> "Range":
        if self.low >= self.high:
            raise ValueError(f"'low' is {self.low} and 'high' is {self.high}; expected a 'low' below 'high'")
        if self.log and self.low <= 0:
            raise ValueError(f"'low' is {self.low}, which has no logarithm; expected one above 0, or log: false")
        if self.log and self.step is not None:
            raise ValueError("'log' and 'step' cannot go together; leave out one of them")
        if self.step is not None and self.step > self.high - self.low:
            raise ValueError(f"the step {self.step} is wider than the range; expected at most {self.high - self.low}")
        return self


class Objective(Part):
    """What is to become best: a metric of a stage that trains (on its validation records) or evaluates."""

    stage: str = Field(description="a stage of the kind train or evaluate")
    metric: str | None = Field(default=None, description="None: the first of its task")


class Search(Part):
    """What `danlu search` looks for; `danlu run` has no eye for it."""

    objective: Objective | None = Field(default=None, description="None: the last stage that trains")
    ranges: dict[str, Range | list[Any]] = Field(
        min_length=1, description="by 'stage.key', a range of numbers or a list of values"
    )
    trials: int = Field(default=20, ge=1, le=100_000, description="how many settings are tried, all calls together")
    sampler: Literal["tpe", "random"] = Field(default="tpe", description="how the next settings are chosen")
    pruner: Literal["none", "median", "halving", "hyperband"] = Field(
        default="median", description="which trials are stopped before their end, by their validations"
    )
    seed: int = Field(default=0, ge=0, description="which settings are tried")
    keep: int = Field(default=1, ge=1, description="the weights of so many of the best trials are kept")

    @field_validator("ranges")
    @classmethod
    def _choices_differ(cls, value: dict[str, Range | list[Any]]) -> dict[str, Range | list[Any]]:
        for key, choices in value.items():
            if isinstance(choices, list):
                shown = [repr(choice) for choice in choices]
                if len(set(shown)) < 2 or len(set(shown)) < len(shown):
                    raise ValueError(f"the choices of '{key}' are {', '.join(shown)}; expected two or more that differ")
        return value
