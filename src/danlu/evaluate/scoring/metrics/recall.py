"""Recall: of the examples that have a label, how many were given it; the mean over labels."""

from typing import ClassVar

from danlu.evaluate.scoring.marked import Marked


class Recall(Marked):
    """Mean recall over the labels in the truth or in the answers; 0 for one that is given and does not occur."""

    forms: ClassVar[tuple[str, ...]] = ("label", "labels")
    measure = "recall"
    averaged = "macro"
