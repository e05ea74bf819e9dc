"""What stands around a text: in a document, where it is read to be written anew, and where it is written."""

from dataclasses import dataclass
from typing import Self

import numpy as np

from danlu.task.two_sides import end_of
from danlu.text.batching.encoded import Ids
from danlu.text.batching.windows import around
from danlu.text.tokenizing.special import begin_id, end_id
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer


@dataclass(frozen=True)
class Frame:
    """The special tokens around a text.

    - `lead`, `trail`: how many a document begins and ends with.
    - `before`, `after`: what an encoder reads around it, as `danlu.task.two_sides.sources` has it.
    - `begin`: what a decoder reads before it; `end`: what is written after it.
    """

    lead: int
    trail: int
    before: Ids
    after: Ids
    begin: Ids
    end: int

    @classmethod
    def of(cls, tokenizer: Tokenizer) -> Self:
        """As the tokenizer puts them; raises `Refusal` where it has no end token."""
        end, begin = end_of(tokenizer), begin_id(tokenizer)
        (encoding,) = tokenized(["a"], tokenizer, offsets=False)
        special = np.array(encoding.special_tokens_mask, bool)
        inside = np.flatnonzero(~special)
        ids = np.array(encoding.ids, np.int32)
        before, after = (ids[: inside[0]], ids[inside[-1] + 1 :]) if len(inside) else (ids, ids[:0])
        if not len(after) and end_id(tokenizer) is not None:
            after = np.array([end], np.int32)
        lead, trail = around(tokenizer)
        return cls(lead, trail, before, after, np.array([] if begin is None else [begin], np.int32), end)

    def content(self, ids_T: Ids) -> Ids:
        """A document without what stands around it."""
        return ids_T[self.lead : len(ids_T) - self.trail]

    def source(self, ids_T: Ids) -> Ids:
        """What an encoder reads."""
        return np.concatenate([self.before, ids_T, self.after]).astype(np.int32)

    def target(self, ids_T: Ids) -> Ids:
        """What is written."""
        return np.append(ids_T, self.end).astype(np.int32)
