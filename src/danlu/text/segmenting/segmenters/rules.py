"""Words by the classes of characters; Chinese by a dictionary and maximum matching where one is given.

Maximum matching forward and backward, and the better of both: Liang, "CDWS: a written Chinese automatic word
segmentation system" (1987).
"""

from functools import cached_property
from typing import Literal

import numpy as np
from pydantic import Field

from danlu.data.characters.side_by_side import Bools, Characters, Numbers
from danlu.data.characters.word_cutting import atoms
from danlu.data.reading.lines import lines
from danlu.data.reading.source_file import find_source
from danlu.refusal import Refusal
from danlu.text.segmenting.lexicon import Lexicon, lexicon
from danlu.text.segmenting.segmenter import Segmenter

Direction = Literal["forward", "backward", "both"]

_LONGEST = 2**20  # words in a dictionary


class Rules(Segmenter):
    """Numbers, words of letters, addresses, runs of one mark; Chinese by a dictionary, or character by character.

    What holds together is told by `danlu.data.characters.word_cutting`.
    """

    dictionary: str | None = Field(
        default=None, description="file with a word a line; what follows white space, such as its count, is left"
    )
    direction: Direction = Field(
        default="both",
        description="maximum matching from which end; both: what gives fewer words, then fewer single characters",
    )

    def inputs(self) -> list[str]:
        """The dictionary."""
        return [self.dictionary] if self.dictionary else []

    def begins(self, given: Characters) -> Bools:
        """Where a word begins; see `Segmenter.begins`."""
        found = atoms(given)
        return found if self.dictionary is None else _matched(given, found, self._lexicon, self.direction)

    @cached_property
    def _lexicon(self) -> Lexicon:
        assert self.dictionary is not None
        source = find_source(self.dictionary)
        words = {word: None for _, line in lines(source) for word in line.split()[:1]}
        if not words or len(words) > _LONGEST:
            raise Refusal(
                f"{source.name}: holds {len(words):,} words; give a word a line, at most {_LONGEST:,} of them"
            )
        return lexicon(list(words))


def _matched(given: Characters, atoms: Bools, known: Lexicon, direction: Direction) -> Bools:
    """Atoms joined by the longest words of the dictionary, from the front, the back, or the better of both."""
    size = len(given.codes)
    borders = np.r_[atoms, True]
    starts = np.flatnonzero(atoms)
    found = known.matches(given.codes, np.repeat(given.first[1:], np.diff(given.first)), starts)
    whole = borders[found.start + found.length]
    first, last = found.start[whole], (found.start + found.length)[whole]
    stops = np.append(starts[1:], size)
    ahead = np.arange(size + 1)
    ahead[starts] = stops
    np.maximum.at(ahead, first, last)
    behind = np.arange(size + 1)
    behind[stops] = starts
    np.minimum.at(behind, last, first)
    if direction == "forward":
        return _reached(ahead, 0)[:-1]
    if direction == "backward":
        return _reached(behind, size)[:-1]
    return _better(_reached(ahead, 0)[:-1], _reached(behind, size)[:-1])


def _reached(following: Numbers, start: int) -> Bools:
    """The places on the way from `start`, each leading to the next, (N + 1,); in steps of doubling length."""
    reached = np.zeros(len(following), np.bool_)
    reached[start] = True
    leap = following
    while True:
        count = np.count_nonzero(reached)
        reached[leap[reached]] = True
        if np.count_nonzero(reached) == count:
            return reached
        leap = leap[leap]


def _better(forward: Bools, backward: Bools) -> Bools:
    """Between two borders that both have: fewer words, then fewer single characters, then those from the back."""
    stretch = np.cumsum(forward & backward) - 1
    count = int(stretch[-1]) + 1
    cost = np.zeros((2, count))
    for row, begins in enumerate((forward, backward)):
        starts = np.flatnonzero(begins)
        single = np.diff(np.append(starts, len(begins))) == 1
        cost[row] = np.bincount(stretch[starts], 1 + single / len(begins), count)
    return np.where((cost[0] < cost[1])[stretch], forward, backward)
