"""How well a tokenizer fits a text."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from danlu.text.tokenizer import Tokenizer
from danlu.text.windows import tokenized


@dataclass(frozen=True, slots=True)
class Coverage:
    """Tokens without special ones; `unknown` of them have no entry, and each stands for so many characters."""

    tokens: int
    unknown: int
    characters_per_token: float

    @property
    def unknown_share(self) -> float:
        """Share of the tokens that the model cannot read."""
        return self.unknown / max(self.tokens, 1)


def coverage(texts: Sequence[str], tokenizer: Tokenizer) -> Coverage:
    """Count the tokens of some texts, and those that are unknown."""
    tokens = unknown = 0
    for encoding in tokenized(texts, tokenizer):
        ids = np.array(encoding.ids)[~np.array(encoding.special_tokens_mask, bool)]
        tokens += len(ids)
        unknown += 0 if tokenizer.unk_token_id is None else int((ids == tokenizer.unk_token_id).sum())
    return Coverage(tokens, unknown, sum(map(len, texts)) / max(tokens, 1))
