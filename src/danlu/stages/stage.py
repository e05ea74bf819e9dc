"""The promise of a stage: one named step of a recipe, with a folder of its own."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import StringConstraints

from danlu.machine.ranks import ALONE, Ranks
from danlu.recipe.part import Part

if TYPE_CHECKING:
    from danlu.train.events import Event, Leave  # brings torch

Reference = Annotated[str, StringConstraints(pattern=r"^@[^@:\s]+(:[a-z]+)?$")]
"""`@stage`, or `@stage:split` for one split of a prepared data set."""


@dataclass(frozen=True)
class Place:
    """Where a stage runs.

    - `folder`: its own folder (`stages/results.py`); it may hold what an interrupted run left.
    - `inputs`: the folder of each stage it refers to, by that stage's name.
    - `fingerprint`: hash of the section, its inputs and danlu's version; the same one may resume.
    - `say`: prints one line for the person who watches.
    - `ranks`: the processes that share the work of a stage that is `in_parallel`.
    - `watch`: looks at each event of a training, and may stop it; see `train/events.py`.
    """

    folder: Path
    inputs: dict[str, Path]
    fingerprint: str
    seed: int
    language: str
    say: Callable[[str], None]
    watch: "Callable[[Event], Leave | None]" = lambda _event: None
    ranks: Ranks = ALONE

    @property
    def name(self) -> str:
        """The stage's name in the recipe; its folder may have more."""
        return self.folder.name.partition(".")[0]

    def path(self, reference: str) -> Path:
        """The folder that an `@stage` or `@stage:split` points to, without the split."""
        return self.inputs[reference.removeprefix("@").partition(":")[0]]


class Stage(Part):
    """One step of a recipe."""

    folder: ClassVar[str] = "danlu.stages.kinds"

    @abstractmethod
    def run(self, place: Place) -> None:
        """Do the work and leave the results in `place.folder`; raises `Refusal` for what the user can mend.

        Called again after an interruption with the same fingerprint, it goes on from what it finds there.
        """

    @property
    def in_parallel(self) -> bool:
        """Whether several processes run it together; else the first one does, and the others wait."""
        return False

    def standing(self, folder: Path) -> str | None:
        """Where a run that was interrupted would go on, such as 'step 120'; None where it would begin anew."""
        return None
