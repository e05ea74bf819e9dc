"""The promise of a target: into what a bundle is exported."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from danlu.bundle.bundle import Bundle
from danlu.data.record import Record
from danlu.engine.engine import Engine, Network
from danlu.recipe.part import Part


@dataclass(frozen=True)
class Original:
    """What is exported: a bundle, opened by torch in float32, and records of its task.

    - `records`: of which scales are learnt, and on whose answers the two are compared; none: the golden ones alone.
    """

    bundle: Bundle
    records: Sequence[Record]


class Target(Part):
    """Into what a bundle is exported. Each has a field `precision`, in what the exported model computes."""

    folder: ClassVar[str] = "danlu.export.targets"

    makes: ClassVar[Literal["bundle", "folder", "file"]]
    """A bundle that `danlu.load` opens, the folder of a model for other programs, or a file for them."""

    learns: ClassVar[tuple[str, ...]] = ()
    """Precisions whose scales are learnt of records."""

    precision: str

    @abstractmethod
    def write(self, original: Original, place: Path) -> Engine | None:
        """Write the weights into the folder, or the file, `place`; of a bundle give the engine that computes them.

        Raises:
            Refusal: this model cannot be exported so; a package is missing.
        """

    @abstractmethod
    def network(self, original: Original, place: Path) -> Network:
        """What was written, opened, to be compared with the original."""
