"""Punctuation between words (Karimi, Rossi and Prati, 2021, "AEDA"), or words once more."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from danlu.data.augmenting.passage import Changes, Passage
from danlu.data.augmenting.word_augmenter import WordAugmenter
from danlu.data.characters.word_cutting import is_wide

_MARKS = (".", ";", "?", ":", "!", ",")
_WIDE_MARKS = ("。", "；", "？", "：", "！", "，")


class Insert(WordAugmenter):
    """Put punctuation, or words of the same text once more, behind some words."""

    what: Literal["punctuation", "words"] = "punctuation"

    def changes(self, passages: Sequence[Passage], rng: np.random.Generator) -> list[Changes]:
        """Free words, each with what is put behind it; see `WordAugmenter.changes`."""
        found = []
        for passage in passages:
            words, changes = passage.words, Changes()
            places = [place for place in passage.free if not _before_mark(passage, place)]
            for place in rng.permutation(places)[: self.count(passage)].tolist():
                word = words[place]
                marks = _WIDE_MARKS if is_wide(word[-1]) else _MARKS
                added = [words[free] for free in passage.free] if self.what == "words" else marks
                changes[place] = [word, added[int(rng.integers(len(added)))]]
            found.append(changes)
        return found


def _before_mark(passage: Passage, place: int) -> bool:
    """Whether punctuation stands behind a word already."""
    end = passage.borders[place][1]
    following = passage.text[end : end + 2].strip()
    return bool(following) and not following[0].isalnum()
