"""What of a text is looked up: words and their parts, and Chinese by pairs of characters.

Pairs of characters find Chinese as well as words do, and need no dictionary that lacks one (Nie et al., 2000). Names of
things stay whole beside their parts: `E-1042`, `user_id`, `v2.11.3`, `getUserName`, `C++`.
"""

import re
import unicodedata
from itertools import pairwise

VERSION = 1
"""Of what this gives; an index of another is made anew from its texts."""

LONGEST = 64
"""Characters of a token; what is longer is known by its beginning."""

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3041-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_UNSPACED += "\U00020000-\U0003ffff"
_WORD = rf"[^\W_{_UNSPACED}]"
_RUN = re.compile(rf"(?P<unspaced>[{_UNSPACED}]+)|(?P<word>{_WORD}+(?:[-_.'/:@+&]{_WORD}+)*(?:\+\+|#)?)")
_PART = re.compile(rf"{_WORD}+")
_CASES = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_VERSION = re.compile(r"v(?=\d)")


def tokens(text: str) -> list[str]:
    """The tokens of a text, in order, as often as they stand there."""
    found: list[str] = []
    for match in _RUN.finditer(_plain(text)):
        run = match.group()
        if match["unspaced"]:
            found += run
            found += map("".join, pairwise(run))
        else:
            found += _of_word(run)
    return found


def query_tokens(text: str) -> list[str]:
    """The tokens by which a text is sought, each once: single Chinese characters only where they stand alone."""
    found: dict[str, None] = {}
    for match in _RUN.finditer(_plain(text)):
        run = match.group()
        if match["unspaced"]:
            found |= dict.fromkeys([run] if len(run) == 1 else map("".join, pairwise(run)))
        else:
            found |= dict.fromkeys(_of_word(run))
    return list(found)


def _plain(text: str) -> str:
    """Full-width letters as narrow ones, and the like."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text).replace("’", "'")


def _of_word(run: str) -> list[str]:
    """A word, and where it is made of several, these too."""
    whole = run.casefold()
    pieces = [piece for part in _PART.findall(run) for piece in _CASES.split(part)]
    if len(pieces) == 1 and len(pieces[0]) == len(run):
        return [stem(whole)[:LONGEST]]
    named = [whole, *([whole[1:]] if _VERSION.match(whole) else [])]
    return [each[:LONGEST] for each in (*named, *(stem(piece.casefold()) for piece in pieces))]


def stem(word: str) -> str:
    """An English word without its plural (Harman, 1991, "S stemmer")."""
    if len(word) < 4 or word[-1] != "s":
        return word
    if word.endswith("ies"):
        return word if word[-4] in "ae" else f"{word[:-3]}y"
    if word.endswith("es"):
        return word if word[-3] in "aeo" else word[:-1]
    return word if word[-2] in "us" else word[:-1]
