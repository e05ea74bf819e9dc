"""Entity recall: of the entities there are, how many were found exactly (Tjong Kim Sang and De Meulder 2003)."""

from typing import ClassVar

from danlu.evaluate.scoring.marked import Marked


class EntityRecall(Marked):
    """Share of the true entities found with the right start, end and label; 0 if there is none and some were found."""

    forms: ClassVar[tuple[str, ...]] = ("spans",)
    measure = "recall"
    averaged = "micro"
