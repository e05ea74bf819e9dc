"""T5's span corruption (Raffel et al., 2020): sentinels stand for spans, and only the spans are written."""

import numpy as np
from pydantic import Field

from danlu.task.corruption import Corruption, look_for_sentinels, sentinels, with_sentinels
from danlu.text.batching.encoded import Ids
from danlu.text.batching.noise import Lengths, by_sentinels, hidden_and_spans, spans_hidden
from danlu.text.tokenizing.tokenizer import Tokenizer


class T5(Corruption):
    """Spans of random lengths, each behind a sentinel of its own; how many tokens are hidden is the same each time."""

    density: float = Field(default=0.15, gt=0, lt=1, description="share of the tokens that are hidden")
    mean_span: float = Field(default=3.0, ge=1, le=1000, description="tokens of a span")

    def look_at(self, tokenizer: Tokenizer, longest: int) -> None:
        """See `Corruption.look_at`: a sentinel a span."""
        _, (spans,) = hidden_and_spans(np.array([longest]), self.density, self.mean_span)
        look_for_sentinels(tokenizer, int(spans), longest)

    def lengths(self, lengths_N: Lengths) -> tuple[Lengths, Lengths]:
        """See `Corruption.lengths`; they are always just these."""
        hidden_N, spans_N = hidden_and_spans(lengths_N, self.density, self.mean_span)
        return lengths_N - hidden_N + spans_N, hidden_N + spans_N

    def corrupted(self, ids_T: Ids, tokenizer: Tokenizer, rng: np.random.Generator) -> tuple[Ids, Ids]:
        """See `Corruption.corrupted`."""
        hidden_T = spans_hidden(len(ids_T), self.density, self.mean_span, rng)
        return by_sentinels(ids_T, hidden_T, sentinels(tokenizer, len(ids_T)))

    def asked(self, ids_T: Ids, tokenizer: Tokenizer) -> Ids:
        """See `Corruption.asked`: each mask token is a sentinel."""
        return with_sentinels(ids_T, tokenizer)
