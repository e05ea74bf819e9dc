"""Whether two texts say the same, and how much they share, as the makers of question sets count it.

A right text in English is counted in words, as in SQuAD (Rajpurkar et al., 2016): without case, punctuation and
articles. One with a Chinese or Japanese character is counted in characters, runs of Latin letters and digits as one,
as in CMRC 2018 (Cui et al., 2019): without case and punctuation. Unlike in SQuAD, a right text that has nothing but
articles or punctuation, such as the option A or the sign +, is compared by these.
"""

import re
import string
from collections import Counter
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from typing import Literal

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_WIDE = "\u3005-\u3007\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003347f"
_HAN = re.compile(f"[{_WIDE}]")
_SIGNS = frozenset("-:_*^/\\~`+=，。：？！“”；’《》…·、「」（）－～『』")
_PIECES = re.compile(f"[{_WIDE}]|[^\\W{_WIDE}]+|[^\\w\\s]")
_NO_WORDS = str.maketrans("", "", string.punctuation)


def counted_in(truth: str) -> Literal["words", "characters"]:
    """What a right text is counted in."""
    return "characters" if _HAN.search(truth) else "words"


def units(text: str, counted: Literal["words", "characters"]) -> list[str]:
    """A text in what is compared: words without articles, or characters."""
    if counted == "words":
        return _ARTICLES.sub(" ", text.lower().translate(_NO_WORDS)).split()
    return [piece for piece in _PIECES.findall(text.lower()) if piece not in _SIGNS]


def matches(truth: str, answer: str) -> bool:
    """Whether an answer says what a right text says."""
    if counted_in(truth) == "words":
        if true := units(truth, "words"):
            return true == units(answer, "words")
        one, other = (text.casefold().strip() for text in (truth, answer))
        bare, given = (text.translate(_NO_WORDS).split() for text in (one, other))
        return bare == given if bare else one == other
    one, other = ("".join(sign for sign in text.lower().strip() if sign not in _SIGNS) for text in (truth, answer))
    return one == other


def shared(truth: str, answer: str) -> float:
    """F1 of what an answer shares with a right text: words in any order, or the longest run of characters.

    Where one of the two has nothing to share, 1 if they match.
    """
    counted = counted_in(truth)
    true, given = units(truth, counted), units(answer, counted)
    if not true or not given:
        return float(matches(truth, answer))
    if counted == "words":
        common = (Counter(true) & Counter(given)).total()
    else:
        matcher = SequenceMatcher(a=true, b=given, autojunk=False)
        common = matcher.find_longest_match().size
    return 2 * common / (len(true) + len(given))


def best_shared(truths: Iterable[str], answer: str) -> float:
    """The most that an answer shares with one of the right texts; 0 where there is none."""
    return max((shared(truth, answer) for truth in truths), default=0.0)


def nearest_piece(text: str, piece: str) -> tuple[int, int] | None:
    """Where in a text stands what is most like a piece that is not in it: start and end; None if nothing is."""
    if not piece or not text:
        return None
    matcher = SequenceMatcher(a=text.lower(), b=piece.lower(), autojunk=False)
    found = matcher.find_longest_match()
    if not found.size:
        return None
    start = max(0, found.a - found.b)
    return start, min(len(text), start + len(piece))


def one_of(truths: Sequence[str], answer: str) -> bool:
    """Whether an answer says what one of the right texts says."""
    return any(matches(truth, answer) for truth in truths)
