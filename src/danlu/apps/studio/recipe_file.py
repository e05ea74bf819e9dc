"""Recipes that lie in the working folder."""

from dataclasses import dataclass
from pathlib import Path

from danlu.recipe.read import written
from danlu.refusal import Refusal


@dataclass(frozen=True)
class RecipeFile:
    """A recipe at a glance: its name, and its stages with their kinds; or the sentence of why it cannot be read."""

    name: str = ""
    stages: tuple[tuple[str, str], ...] = ()
    wrong: str = ""


def at_a_glance(source: Path | str) -> RecipeFile | None:
    """What a YAML file says, if it means to be a recipe."""
    try:
        data = written(source).data
    except Refusal as refusal:
        return RecipeFile(wrong=str(refusal))
    stages = data.get("stages")
    if not isinstance(stages, dict) or not isinstance(data.get("name"), str):
        return None
    kinds = [
        (str(name), section.get("kind") if isinstance(section, dict) else section) for name, section in stages.items()
    ]
    return RecipeFile(data["name"], tuple((name, str(kind)) for name, kind in kinds))
