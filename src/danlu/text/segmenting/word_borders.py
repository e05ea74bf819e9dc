"""From the words of texts that lie side by side to the borders between them, and back. N characters of all texts."""

from collections.abc import Sequence
from itertools import chain, pairwise

import numpy as np

from danlu.data.characters.side_by_side import Bools, Characters


def words_at(given: Characters, begins_N: Bools) -> list[list[str]]:
    """The words of each text, `begins_N` telling where one begins; every text begins with one as well."""
    borders = np.flatnonzero(begins_N | given.begins())
    whole = given.whole
    words = [whole[start:end] for start, end in pairwise([*borders.tolist(), len(whole)])]
    places = np.searchsorted(borders, given.first).tolist()
    return [words[start:end] for start, end in pairwise(places)]


def begins_of(sentences: Sequence[Sequence[str]]) -> Bools:
    """Where each word of each sentence begins, (N,): the inverse of `words_at`; no word is empty."""
    count = sum(map(len, sentences))
    lengths = np.fromiter(map(len, chain.from_iterable(sentences)), np.int64, count)
    found = np.zeros(int(lengths.sum()), np.bool_)
    found[np.cumsum(lengths) - lengths] = True
    return found
