"""What a model has written."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from danlu.text.batching.encoded import Ids


@dataclass(frozen=True, slots=True)
class Chosen:
    """A token that was written, how likely it was, and what else could have stood there.

    - `token`, `log_probability`: the token's number, and the natural logarithm of its probability.
    - `likeliest`: the likeliest tokens in its place and theirs, the likeliest first.
    """

    token: int
    log_probability: float
    likeliest: tuple[tuple[int, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Written:
    """One text that a model wrote after a prompt.

    - `text`: what the tokens say, without special tokens and without what stopped it.
    - `ids`: (N,), the new tokens; the end token is not among them.
    - `log_probability`: natural logarithm of how likely the model found these tokens and the end, before anything
      that a policy does to its choice.
    - `ended`: by the end token, by a stop string, or at the most tokens that were allowed.
    - `chosen`: how likely each token was, the end token included, where that was asked for.
    - `number`: of this text among those that were written after the prompt, as its pieces were told.
    """

    text: str
    ids: Ids
    log_probability: float
    ended: Literal["end", "stop", "length"]
    chosen: tuple[Chosen, ...] = ()
    number: int = 0

    @property
    def score(self) -> float:
        """Geometric mean of the probabilities of its tokens, 0 to 1."""
        steps = len(self.ids) + (self.ended == "end")
        return math.exp(self.log_probability / max(1, steps))


def plain_of(written: Sequence[Written]) -> dict[str, Any]:
    """What was written of a record, the best first: its `text`, and `others` where a policy tells several."""
    best, *rest = written
    found: dict[str, Any] = {"text": best.text, "score": best.score, "ended": best.ended}
    return found | {"others": [each.text for each in rest]} if rest else found
