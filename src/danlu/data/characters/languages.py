"""Which of the two languages that danlu speaks a text is answered in."""

from typing import Literal

import numpy as np

from danlu.data.characters.scripts import HAN, KANA, LATIN, UNSPACED, kinds_of
from danlu.data.characters.side_by_side import code_points

Language = Literal["en", "zh"]


def language_of(text: str, otherwise: Language = "en") -> Language:
    """'zh' for a text with at least as many characters of scripts without spaces as Latin words, else 'en'.

    A word of Chinese is a character or two, so a name in the other language does not decide. `otherwise` is told of a
    text that has neither.
    """
    kinds_N = kinds_of(code_points(text))
    characters = int(np.isin(kinds_N, (HAN, KANA, UNSPACED)).sum())
    latin_N = kinds_N == LATIN
    words = int((latin_N[1:] & ~latin_N[:-1]).sum() + latin_N[:1].sum())
    if not characters and not words:
        return otherwise
    return "zh" if characters >= words else "en"
