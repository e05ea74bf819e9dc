"""Macro F1: the mean over labels of each label's F1 (Yang and Liu 1999)."""

from typing import ClassVar

from danlu.evaluate.scoring.marked import Marked


class MacroF1(Marked):
    """Mean F1 over the labels in the truth or in the answers, rare ones counting as much as frequent ones."""

    forms: ClassVar[tuple[str, ...]] = ("label", "labels")
    measure = "f1"
    averaged = "macro"
