"""BART's noise (Lewis et al., 2020): the whole text is written, whatever became of it."""

from typing import ClassVar, Self
from weakref import WeakKeyDictionary

import numpy as np
from pydantic import Field, model_validator

from danlu.task.corruption import Corruption, mask_of
from danlu.text.batching.encoded import Ids
from danlu.text.batching.noise import Lengths, Mask, infilled, permuted_parts, rotated, some
from danlu.text.tokenizing.tokenizer import Tokenizer

ENDS = tuple("。！？!?.…\n")
"""What a sentence ends with; the tokens that do are found in the vocabulary, so flat token files will do."""

_known: "WeakKeyDictionary[Tokenizer, Mask]" = WeakKeyDictionary()


class Bart(Corruption):
    """Sentences in any order, spans behind one mask token each, tokens masked or left out, the text rotated."""

    tells_apart: ClassVar[bool] = False

    permute: float = Field(default=1.0, ge=0, le=1, description="share of the texts whose sentences change places")
    infill: float = Field(default=0.3, ge=0, lt=1, description="share of the tokens in spans of one mask token each")
    mean_span: float = Field(default=3.0, gt=0, le=100, description="tokens of such a span (Poisson), which may be 0")
    mask: float = Field(default=0.0, ge=0, lt=1, description="share of the tokens that become a mask token each")
    delete: float = Field(default=0.0, ge=0, lt=1, description="share of the tokens that are left out")
    rotate: float = Field(default=0.0, ge=0, le=1, description="share of the texts that begin at any of their tokens")

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not any((self.permute, self.infill, self.mask, self.delete, self.rotate)):
            raise ValueError("nothing is corrupted; give one of 'permute', 'infill', 'mask', 'delete' or 'rotate'")
        return self

    def look_at(self, tokenizer: Tokenizer, longest: int) -> None:
        """See `Corruption.look_at`: a mask token, where something is hidden behind one."""
        if self.infill or self.mask:
            mask_of(tokenizer)

    def lengths(self, lengths_N: Lengths) -> tuple[Lengths, Lengths]:
        """See `Corruption.lengths`: no text gets longer, and all of it is written."""
        return lengths_N, lengths_N

    def corrupted(self, ids_T: Ids, tokenizer: Tokenizer, rng: np.random.Generator) -> tuple[Ids, Ids]:
        """See `Corruption.corrupted`; one noise after the other, each of the tokens that are still shown."""
        read = ids_T
        if rng.random() < self.permute:
            read = permuted_parts(read, ends_of_sentences(tokenizer)[read], rng)
        if self.infill:
            read = infilled(read, self.infill, self.mean_span, mask_of(tokenizer), rng)
        for share, hides in ((self.mask, True), (self.delete, False)):
            shown = np.flatnonzero(read != -1 if tokenizer.mask_token_id is None else read != tokenizer.mask_token_id)
            places = some(shown, share, rng)
            if hides and len(places):
                read = read.copy()
                read[places] = mask_of(tokenizer)
            elif len(places):
                read = np.delete(read, places)
        if rng.random() < self.rotate:
            read = rotated(read, rng)
        return read.astype(np.int32), ids_T


def ends_of_sentences(tokenizer: Tokenizer) -> Mask:
    """Which tokens end a sentence, by their numbers, (V,)."""
    found = _known.get(tokenizer)
    if found is None:
        texts = tokenizer.batch_decode([[number] for number in range(len(tokenizer))])
        found = _known[tokenizer] = np.array([text.rstrip(" ").endswith(ENDS) for text in texts])
    return found
