"""How a text is corrupted, token by token, so that a model learns to mend it.

What is drawn comes from the generator that is given, and from nothing else. Legend: T tokens, N texts.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from danlu.text.batching.encoded import Ids

Lengths = NDArray[np.int64]
Mask = NDArray[np.bool_]


def hidden_and_spans(lengths_N: Lengths, density: float, mean: float) -> tuple[Lengths, Lengths]:
    """How many tokens of texts of these lengths are hidden, and in how many spans (Raffel et al., 2020).

    A text of one token has nothing hidden, for what begins a text is always shown.
    """
    hidden_N = np.clip(np.round(lengths_N * density).astype(np.int64), 1, np.maximum(lengths_N - 1, 1))
    most_N = np.maximum(1, np.minimum(hidden_N, lengths_N - hidden_N))
    spans_N = np.clip(np.round(hidden_N / mean).astype(np.int64), 1, most_N)
    enough_N = lengths_N >= 2
    return np.where(enough_N, hidden_N, 0), np.where(enough_N, spans_N, 0)


def spans_hidden(count: int, density: float, mean: float, rng: np.random.Generator) -> Mask:
    """Which of so many tokens are hidden: spans of random lengths between shown ones, the first shown, (T,).

    How many are hidden, and in how many spans, is what `hidden_and_spans` says, so lengths are known beforehand.
    """
    (hidden,), (spans,) = hidden_and_spans(np.array([count]), density, mean)
    if not spans:
        return np.zeros(count, bool)
    lengths = [_parts(total, int(spans), rng) for total in (count - int(hidden), int(hidden))]
    return np.repeat(np.tile([False, True], int(spans)), np.stack(lengths, 1).flatten())


def by_sentinels(ids_T: Ids, hidden_T: Mask, sentinels: Sequence[int]) -> tuple[Ids, Ids]:
    """What is shown, a sentinel in the place of each span; and the spans, each behind its sentinel."""
    begins = np.flatnonzero(hidden_T & ~np.r_[False, hidden_T[:-1]])
    marks = np.array(sentinels[: len(begins)], np.int32)
    shown = ids_T.copy()
    shown[begins] = marks
    kept_T = ~hidden_T
    kept_T[begins] = True
    return shown[kept_T], np.insert(ids_T[hidden_T], np.cumsum(hidden_T)[begins] - 1, marks).astype(np.int32)


def some(among: NDArray[np.int64], share: float, rng: np.random.Generator) -> NDArray[np.int64]:
    """A share of some places, one at least if there are any and the share is not 0."""
    count = min(len(among), max(1, round(share * len(among)))) if share else 0
    return rng.choice(among, count, replace=False, shuffle=False) if count else among[:0]


def infilled(ids_T: Ids, share: float, mean: float, mask: int, rng: np.random.Generator) -> Ids:
    """A share of the tokens in spans, each of them one mask token however long it was (Lewis et al., 2020).

    Lengths are Poisson; spans of length 0 put a mask token between two tokens, as far as the text gets no longer.
    """
    wanted = max(1, round(share * len(ids_T))) if share and len(ids_T) else 0
    if not wanted:
        return ids_T
    drawn = rng.poisson(mean, wanted + 8)
    while drawn.sum() < wanted:
        drawn = np.r_[drawn, rng.poisson(mean, wanted + 8)]
    drawn = drawn[: int(np.searchsorted(np.cumsum(drawn), wanted)) + 1]
    lengths = drawn[drawn > 0]
    lengths[-1] -= lengths.sum() - wanted
    most = len(ids_T) - wanted + 1  # spans that have a shown token between them
    lengths = lengths if len(lengths) <= most else np.r_[lengths[: most - 1], lengths[most - 1 :].sum()]
    gaps = _parts(len(ids_T) - wanted + 2, len(lengths) + 1, rng)  # before the first and after the last may be none
    gaps[0] -= 1
    gaps[-1] -= 1
    begins = np.cumsum(gaps[:-1]) + np.r_[0, np.cumsum(lengths)[:-1]]
    covered_T = np.zeros(len(ids_T), bool)
    for begin, length in zip(begins.tolist(), lengths.tolist(), strict=True):
        covered_T[begin + 1 : begin + length] = True
    found = ids_T.copy()
    found[begins] = mask
    found = found[~covered_T]
    more = min(int((drawn == 0).sum()), len(ids_T) - len(found))
    return np.insert(found, np.sort(rng.integers(0, len(found), more, endpoint=True)), mask).astype(np.int32)


def permuted_parts(ids_T: Ids, ends_T: Mask, rng: np.random.Generator) -> Ids:
    """The parts that end where `ends_T` says, such as sentences, in any order."""
    parts = np.split(ids_T, np.flatnonzero(ends_T[:-1]) + 1)
    return np.concatenate([parts[number] for number in rng.permutation(len(parts))]).astype(np.int32)


def rotated(ids_T: Ids, rng: np.random.Generator) -> Ids:
    """The text from any of its tokens on, and then what stood before it."""
    return np.roll(ids_T, -int(rng.integers(0, max(1, len(ids_T)))))


def _parts(total: int, parts: int, rng: np.random.Generator) -> Lengths:
    """The lengths of so many parts of one token or more, all ways of cutting being as likely, (parts,)."""
    cuts = np.sort(rng.choice(total - 1, parts - 1, replace=False)) + 1 if parts > 1 else np.zeros(0, np.int64)
    return np.diff(cuts, prepend=0, append=total)
