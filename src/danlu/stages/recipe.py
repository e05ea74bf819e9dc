"""The recipe: all that a run depends on, with the data."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SerializeAsAny, ValidationError

from danlu.language import default
from danlu.recipe.part import Part, nearest
from danlu.recipe.read import Written, overridden, references, sentences, written
from danlu.recipe.search import Search
from danlu.refusal import Refusal
from danlu.stages.stage import Stage


def _checked(name: str) -> str:
    if not re.fullmatch(r"\w[\w-]{0,63}", name):
        raise ValueError(f"a name is made of letters, digits, '-' and '_', at most 64 of them, unlike '{name}'")
    return name


Name = Annotated[str, AfterValidator(_checked)]
"""Letters of any script, digits, '-' and '_': what may name a folder everywhere, and stand in an override."""


class Recipe(BaseModel):
    """Named stages, run in the order in which they are written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name = Field(description="names the folder of the run, runs/<name>")
    seed: int = Field(default=0, ge=0, description="all that is random follows from it")
    seeds: int = Field(
        default=1, ge=1, le=1000, description="so many seeds, from 'seed' on: mean, spread, and the best by validation"
    )
    language: Literal["en", "zh"] | None = Field(
        default=None, description="of reports and cards; None: of the terminal in which it runs"
    )
    search: Search | None = Field(default=None, description="what `danlu search` tries; a run has no eye for it")
    stages: dict[Name, SerializeAsAny[Stage]] = Field(
        min_length=1, description="stages by name; '@name' is an earlier one"
    )

    @property
    def spoken(self) -> str:
        """The language in which a run tells what it does."""
        return self.language or default()


def read(source: str | Path | Mapping[str, Any] | Written, overrides: Sequence[str] | Mapping[str, Any] = ()) -> Recipe:
    """Read and check a recipe: a YAML file, the bare name of one that comes with the package, a dict, or `Written`.

    `overrides` are `["finetune.train.rate=1e-4", "seed=1"]`, or a mapping `{"finetune.train.rate": 1e-4}`.

    Raises:
        Refusal: one line for each mistake, with the file, the line and the key.
    """
    plain = with_overrides(source, overrides)
    _refuse_unknown_keys(plain)
    try:
        recipe = Recipe.model_validate(plain.data)
    except ValidationError as error:
        raise Refusal(sentences(error, plain)) from error
    _check_references(recipe, plain)
    return recipe


def with_overrides(
    source: str | Path | Mapping[str, Any] | Written, overrides: Sequence[str] | Mapping[str, Any]
) -> Written:
    """The recipe as `read` checks it.

    Raises:
        Refusal: there is no such file, it is no YAML, or an override is none.
    """
    return overridden(written(source), overrides, [key for key in Recipe.model_fields if key != "stages"])


def referenced(part: Part) -> list[str]:
    """The names of the stages that a stage, or a part of one, refers to, each once, in the order of the section."""
    return list(dict.fromkeys(name for _, name in references(part)))


def _refuse_unknown_keys(plain: Written) -> None:
    known = list(Recipe.model_fields)
    for key in plain.data:
        if key not in known:
            hint = nearest(str(key), known)
            raise Refusal(f"{plain.place((key,))}: unknown key '{key}'{hint}; the keys are: {', '.join(known)}")


def _check_references(recipe: Recipe, plain: Written) -> None:
    stages = recipe.stages
    earlier: list[str] = []
    for name, section in stages.items():
        for keys, wanted in references(section, ("stages", name)):
            if wanted in earlier:
                continue
            place = plain.place(keys)
            if wanted == name:
                raise Refusal(f"{place}: '@{wanted}' is this stage itself; name an earlier one")
            if wanted in stages:
                raise Refusal(f"{place}: the stage '{wanted}' comes later; write it above '{name}'")
            there = f"the earlier stages are: {', '.join(earlier)}" if earlier else "there is no earlier stage"
            raise Refusal(f"{place}: there is no stage '{wanted}'{nearest(wanted, earlier)}; {there}")
        earlier.append(name)
