"""Precision: of the examples given a label, how many have it; the mean over labels."""

from typing import ClassVar

from danlu.evaluate.scoring.marked import Marked


class Precision(Marked):
    """Mean precision over the labels in the truth or in the answers; 0 for one that was never given."""

    forms: ClassVar[tuple[str, ...]] = ("label", "labels")
    measure = "precision"
    averaged = "macro"
