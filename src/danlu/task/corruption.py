"""The promise of a corruption: what becomes of a text that a model is to mend, and what it is to write for it.

Legend: T tokens, N texts.
"""

from abc import abstractmethod
from typing import ClassVar

import numpy as np

from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.text.batching.encoded import Ids
from danlu.text.batching.noise import Lengths
from danlu.text.tokenizing.special import SENTINEL
from danlu.text.tokenizing.tokenizer import Tokenizer


class Corruption(Part):
    """How a text is corrupted; all that is random comes from the generator that is given."""

    folder: ClassVar[str] = "danlu.task.corruptions"

    tells_apart: ClassVar[bool] = True
    """Whether what is to be written begins with a token that no text has, so that a decoder sees where it begins."""

    @abstractmethod
    def look_at(self, tokenizer: Tokenizer, longest: int) -> None:
        """Raise a `Refusal` where the tokenizer lacks tokens that texts of up to `longest` tokens need."""

    @abstractmethod
    def lengths(self, lengths_N: Lengths) -> tuple[Lengths, Lengths]:
        """The most tokens that texts of these lengths are read and written with, (N,) each, ends not counted."""

    @abstractmethod
    def corrupted(self, ids_T: Ids, tokenizer: Tokenizer, rng: np.random.Generator) -> tuple[Ids, Ids]:
        """What is read of the tokens of a text, and what is to be written, both without ends."""

    def asked(self, ids_T: Ids, tokenizer: Tokenizer) -> Ids:
        """What is read of a text that brings its own mask tokens along."""
        return ids_T


def mask_of(tokenizer: Tokenizer) -> int:
    """The number of the mask token.

    Raises:
        Refusal: there is none.
    """
    if tokenizer.mask_token_id is None:
        raise Refusal(
            "the tokenizer has no mask token, which hides what is to be written; train one of kind 'bpe' with "
            "mask: <mask>, or choose 'corruption: {kind: bart, infill: 0, delete: 0.15}'"
        )
    return int(tokenizer.mask_token_id)


def sentinels(tokenizer: Tokenizer, count: int) -> list[int]:
    """The numbers of the first so many sentinels, or of all that there are."""
    found = []
    for number in range(count):
        known = tokenizer.backend_tokenizer.token_to_id(SENTINEL.format(number))
        if known is None:
            break
        found.append(int(known))
    return found


def look_for_sentinels(tokenizer: Tokenizer, spans: int, longest: int) -> None:
    """Raise a `Refusal` where there are fewer sentinels than spans."""
    found = len(sentinels(tokenizer, spans))
    if found < spans:
        raise Refusal(
            f"the tokenizer has {found} sentinels ({SENTINEL.format(0)} and so on), and a text of {longest:,} tokens "
            f"needs {spans}; add them with tokenizer: {{kind: extended, base: ..., sentinels: {spans}}}, or lower the "
            "task's 'max_length'"
        )


def with_sentinels(ids_T: Ids, tokenizer: Tokenizer) -> Ids:
    """A text whose mask tokens are sentinels, as far as there are any."""
    found = ids_T.copy()
    places = np.flatnonzero(ids_T == -1 if tokenizer.mask_token_id is None else ids_T == tokenizer.mask_token_id)
    marks = sentinels(tokenizer, len(places))
    found[places[: len(marks)]] = marks
    return found
