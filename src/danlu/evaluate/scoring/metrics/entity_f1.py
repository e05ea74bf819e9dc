"""Entity F1: harmonic mean of entity precision and recall (Tjong Kim Sang and De Meulder 2003)."""

from typing import ClassVar

from danlu.evaluate.scoring.marked import Marked


class EntityF1(Marked):
    """F1 of whole entities: start, end and label must all be right; counts added up over labels."""

    forms: ClassVar[tuple[str, ...]] = ("spans",)
    measure = "f1"
    averaged = "micro"
