"""Every character a word, as the first Chinese models took them."""

import numpy as np

from danlu.data.characters.scripts import JOINER, MARK, SPACE, kinds_of
from danlu.data.characters.side_by_side import Bools, Characters
from danlu.text.segmenting.segmenter import Segmenter


class Char(Segmenter):
    """Every character a word; marks stay with the letter that they stand on, and white space is one word."""

    def begins(self, given: Characters) -> Bools:
        """Where a word begins; see `Segmenter.begins`."""
        kinds = kinds_of(given.codes)
        before = np.roll(kinds, 1)
        stays: Bools = (kinds == MARK) | (kinds == JOINER) | (before == JOINER) | ((kinds == SPACE) & (before == SPACE))
        return ~stays
