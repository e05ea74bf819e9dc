"""How many words a segmenter finds, as the bakeoffs of SIGHAN count them.

A word is right if both of its borders are and there is none between (Sproat and Emerson, "The first international
Chinese word segmentation bakeoff", 2003). N characters of all sentences, W words.
"""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from danlu.data.characters.scripts import SPACE, kinds_of
from danlu.data.characters.side_by_side import Bools, Numbers, characters
from danlu.refusal import Refusal
from danlu.text.segmenting.segmenter import Segmenter
from danlu.text.segmenting.word_borders import begins_of


@dataclass(frozen=True)
class WordScores:
    """Shares of words; white space is no word.

    - `precision`: of the words found, those that are right; `recall`: of the true words, those found; `f1`: of both.
    - `unknown_recall`: recall of words that the training text does not have, `unknown_share` of all; None where the
      training text is not given or has all words.
    """

    words: int
    precision: float
    recall: float
    f1: float
    unknown_share: float | None
    unknown_recall: float | None

    def to_plain(self) -> dict[str, Any]:
        """The scores as plain data."""
        return asdict(self)


def score_words(
    truth: Sequence[Sequence[str]], found: Sequence[Sequence[str]], known: Collection[str] | None = None
) -> WordScores:
    """Compare the words found in sentences with the true ones; `known` are the words of the training text.

    Raises:
        Refusal: there are no words, or some sentence is not the same text on both sides.
    """
    texts = ["".join(sentence) for sentence in truth]
    for number, (text, sentence) in enumerate(zip(texts, found, strict=True), 1):
        if text != "".join(sentence):
            raise Refusal(f"sentence {number:,}: the words found do not spell the text; segment the same text again")
    given = characters(texts)
    space = kinds_of(given.codes) == SPACE
    true_N, found_N = begins_of(truth), begins_of(found)
    starts, ends = _words(true_N, space)
    right_W = found_N[starts] & _ends(found_N, ends) & (_inside(found_N, starts, ends) == 0)
    if not len(starts):
        raise Refusal("there are no words to score; give segmented text")
    right, tried = int(right_W.sum()), len(_words(found_N, space)[0])
    unknown_W = np.zeros(len(starts), np.bool_)
    if known is not None:
        whole = given.whole
        pairs = zip(starts.tolist(), ends.tolist(), strict=True)
        unknown_W = np.fromiter((whole[start:end] not in known for start, end in pairs), np.bool_, len(starts))
    return WordScores(
        words=len(starts),
        precision=right / max(tried, 1),
        recall=right / len(starts),
        f1=2 * right / (tried + len(starts)),
        unknown_share=None if known is None else float(unknown_W.mean()),
        unknown_recall=float(right_W[unknown_W].mean()) if unknown_W.any() else None,
    )


def score_segmenter(
    segmenter: Segmenter, truth: Sequence[Sequence[str]], known: Collection[str] | None = None
) -> WordScores:
    """Segment the texts of these sentences and compare; see `score_words`."""
    return score_words(truth, segmenter.segment(["".join(sentence) for sentence in truth]), known)


def _words(begins_N: Bools, space_N: Bools) -> tuple[Numbers, Numbers]:
    """Where the words that are not all white space begin and end."""
    starts = np.flatnonzero(begins_N)
    ends = np.append(starts[1:], len(begins_N)) if len(starts) else starts
    inked = np.concatenate([[0], np.cumsum(~space_N)])
    some = inked[ends] > inked[starts]
    return starts[some], ends[some]


def _ends(begins_N: Bools, ends_W: Numbers) -> Bools:
    return np.append(begins_N, True)[ends_W]


def _inside(begins_N: Bools, starts_W: Numbers, ends_W: Numbers) -> Numbers:
    """How many words begin within each word, its first character aside."""
    count = np.concatenate([[0], np.cumsum(begins_N)])
    found: Numbers = count[ends_W] - count[starts_W + 1]
    return found
