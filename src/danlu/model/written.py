"""What a model has written."""

import math
from dataclasses import dataclass
from typing import Literal

from danlu.text.batching.encoded import Ids


@dataclass(frozen=True, slots=True)
class Written:
    """One text that a model wrote after a prompt.

    - `text`: what the tokens say, without special tokens and without what stopped it.
    - `ids`: (N,), the new tokens; the end token is not among them.
    - `log_probability`: natural logarithm of how likely the model found these tokens and the end, before anything
      that a policy does to its choice.
    - `ended`: by the end token, by a stop string, or at the most tokens that were allowed.
    """

    text: str
    ids: Ids
    log_probability: float
    ended: Literal["end", "stop", "length"]

    @property
    def score(self) -> float:
        """Geometric mean of the probabilities of its tokens, 0 to 1."""
        steps = len(self.ids) + (self.ended == "end")
        return math.exp(self.log_probability / max(1, steps))
