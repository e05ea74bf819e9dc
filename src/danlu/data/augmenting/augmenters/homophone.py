"""Chinese characters become others of the same sound, as when typing pinyin."""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from pydantic import Field

from danlu.data.augmenting.hanzi import common_characters, exchanged
from danlu.data.augmenting.passage import Changes, Passage
from danlu.data.augmenting.word_augmenter import WordAugmenter
from danlu.refusal import Refusal

_HAN = re.compile("[\u4e00-\u9fff]+")


class Homophone(WordAugmenter):
    """Exchange one character of a Chinese word for a common one that sounds the same.

    Readings are those of pypinyin, which knows words; the common characters are the 3,755 of the first level of
    GB/T 2312 (1980).
    """

    tones: bool = Field(default=True, description="whether the tone must be the same as well")

    def changes(self, passages: Sequence[Passage], rng: np.random.Generator) -> list[Changes]:
        """Free Chinese words, each with one character exchanged; see `WordAugmenter.changes`."""
        try:
            alike = _by_sound(self.tones)
        except ImportError as error:
            raise Refusal(
                "homophones are found by pypinyin, which is not installed; run: pip install 'danlu[augment]'"
            ) from error

        def exchange(word: str, rng: np.random.Generator) -> str | None:
            heard = _sounds(word, self.tones) if _HAN.fullmatch(word) else []
            options = [alike.get(sound, ()) for sound in heard] if len(heard) == len(word) else []
            return exchanged(word, options, rng)

        return self.replaced(passages, rng, exchange)


@cache
def _by_sound(tones: bool) -> dict[str, list[str]]:
    """The common characters by how each is read when it stands alone."""
    found: dict[str, list[str]] = {}
    for character in common_characters():
        found.setdefault(_sounds(character, tones)[0], []).append(character)
    return found


def _sounds(word: str, tones: bool) -> list[str]:
    """How each character of a word is read in it, such as `hang2`."""
    from pypinyin import Style, lazy_pinyin

    return lazy_pinyin(word, style=Style.TONE3 if tones else Style.NORMAL)
