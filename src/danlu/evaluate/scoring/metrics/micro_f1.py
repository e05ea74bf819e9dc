"""Micro F1: F1 of the counts added up over all labels (Yang and Liu 1999)."""

from typing import ClassVar

from danlu.evaluate.scoring.marked import Marked


class MicroF1(Marked):
    """F1 of the counts added up over labels; where each example has one, it equals accuracy."""

    forms: ClassVar[tuple[str, ...]] = ("label", "labels")
    measure = "f1"
    averaged = "micro"
