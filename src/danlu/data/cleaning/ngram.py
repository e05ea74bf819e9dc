"""A language model of the last few characters, by counting, for a great many texts at once.

Probabilities of each order are interpolated with those of the shorter one by the number of different characters
that have followed (Witten and Bell, 1991). Counts lie in tables by hash, so memory does not grow with the text; what
shares a place by chance (2**21 places) adds to the same count.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.side_by_side import characters, hashed_pieces

_PLACES = 2**21
_ALPHABET = 2**14  # characters among which the shortest order takes an unseen one to be

Table = NDArray[np.float32]


@dataclass(frozen=True)
class NgramModel:
    """Counts of pieces of 1 to `order` characters.

    - `pieces`: by order, how often the piece at each place was seen.
    - `contexts`: by order, how often what stands before the last character was, and
    - `followers`: by how many different characters it was followed.
    """

    order: int
    pieces: list[Table]
    contexts: list[Table]
    followers: list[Table]

    def bits(self, texts: Sequence[str]) -> NDArray[np.float64]:
        """Bits that the model needs for a character of each text, on average, (N,); 0 for an empty text."""
        text = _padded(texts, self.order)
        probability = np.full(len(text.owners), 1 / _ALPHABET, np.float32)
        for length in range(1, self.order + 1):
            piece, context = _places(text, length)
            followers = self.followers[length - 1][context]
            seen = self.contexts[length - 1][context] + followers
            mixed = (self.pieces[length - 1][piece] + followers * probability) / np.maximum(seen, 1)
            probability = np.where(seen > 0, mixed, probability)
        totals = np.bincount(text.owners, -np.log2(probability), len(texts))
        found: NDArray[np.float64] = totals / np.maximum(np.bincount(text.owners, minlength=len(texts)), 1)
        return found


def learnt(texts: Sequence[str], order: int) -> NgramModel:
    """The model of some texts."""
    text = _padded(texts, order)
    model = NgramModel(order, [], [], [])
    for length in range(1, order + 1):
        piece, context = _places(text, length)
        model.pieces.append(_counted(piece))
        model.contexts.append(_counted(context))
        model.followers.append(_counted(np.unique(piece * _PLACES + context) % _PLACES))
    return model


@dataclass(frozen=True)
class _Padded:
    """Texts with zeros before each, so that no piece reaches into the text before.

    - `codes`: the code points of them all; `ends`: (M,), where each character that is no such zero stands.
    - `owners`: (M,), the text of each.
    """

    codes: NDArray[np.uint32]
    ends: NDArray[np.int64]
    owners: NDArray[np.int64]


def _padded(texts: Sequence[str], order: int) -> _Padded:
    before = order - 1
    owners = np.repeat(np.arange(len(texts)), np.fromiter(map(len, texts), np.int64, len(texts)))
    codes = characters(["\0" * before + text for text in texts]).codes
    return _Padded(codes, np.arange(len(owners)) + before * (owners + 1), owners)


def _places(text: _Padded, length: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where the piece that ends with each character is counted, and where what stands in it before that one is."""
    starts = text.ends - length + 1
    piece = _hashed(text.codes, length)[starts]
    context = _hashed(text.codes, length - 1)[starts] if length > 1 else np.zeros_like(piece)
    return piece, context


def _hashed(codes: NDArray[np.uint32], length: int) -> NDArray[np.int64]:
    return (hashed_pieces(codes, length) >> np.uint64(64 - 21)).astype(np.int64)


def _counted(places: NDArray[np.int64]) -> Table:
    return np.bincount(places, minlength=_PLACES).astype(np.float32)
