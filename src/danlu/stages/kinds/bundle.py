"""Make a bundle of a model that others trained, as it is: nothing is learnt."""

from typing import Literal

from pydantic import Field

from danlu.stages.given import take
from danlu.stages.sources import with_segmenters
from danlu.stages.stage import Place, Stage
from danlu.task.task import Task


class GivenBundle(Stage):
    """A model of transformers or of llama.cpp to a bundle."""

    path: str = Field(description="local folder, GGUF file, or a name on the hub such as Qwen/Qwen2.5-0.5B-Instruct")
    task: Task | None = Field(default=None, description="what is asked of it; None: as its folder says")
    precision: Literal["auto", "float32", "bfloat16"] = Field(default="auto", description="in which it answers")

    def run(self, place: Place) -> None:
        """Leave `bundle`, as a whole or not at all; see `Stage.run`."""
        task = None if self.task is None else with_segmenters(self.task, place)
        folder = place.folder / "bundle"
        found = take(self.path, task, folder, self.precision, place.language, place.say)
        place.say(f"{place.name}: bundle of the task {found.kind} in {folder}")
