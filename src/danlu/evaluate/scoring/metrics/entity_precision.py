"""Entity precision: of the entities found, how many are exactly right (Tjong Kim Sang and De Meulder 2003)."""

from typing import ClassVar

from danlu.evaluate.scoring.marked import Marked


class EntityPrecision(Marked):
    """Share of the entities found whose start, end and label are all right; 0 if none was found and some are there."""

    forms: ClassVar[tuple[str, ...]] = ("spans",)
    measure = "precision"
    averaged = "micro"
