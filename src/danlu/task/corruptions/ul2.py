"""UL2's mixture of denoisers (Tay et al., 2022): short spans (R), the rest of a text (S), and much of it (X)."""

from typing import NamedTuple, Self

import numpy as np
from pydantic import Field, model_validator

from danlu.refusal import Refusal
from danlu.task.corruption import Corruption, look_for_sentinels, sentinels, with_sentinels
from danlu.text.batching.encoded import Ids
from danlu.text.batching.noise import Lengths, by_sentinels, hidden_and_spans, spans_hidden
from danlu.text.tokenizing.tokenizer import Tokenizer


class Denoiser(NamedTuple):
    """One of the mixture: its mode, the share of the tokens that it hides, and how long its spans are.

    None: the one span at the end, so that a text is gone on with.
    """

    mode: str
    density: float
    mean_span: float | None


DENOISERS = (
    Denoiser("r", 0.15, 3.0),
    Denoiser("r", 0.15, 8.0),
    Denoiser("s", 0.25, None),
    Denoiser("x", 0.5, 3.0),
    Denoiser("x", 0.5, 8.0),
    Denoiser("x", 0.15, 64.0),
    Denoiser("x", 0.5, 64.0),
)
"""Those of the paper's table 1."""

MODES = {"r": "[NLU]", "s": "[S2S]", "x": "[NLG]"}
"""What the published models call the three modes."""


class Ul2(Corruption):
    """Of each text one of seven denoisers is drawn: R 2 of them, S one, X four, by the shares of their modes."""

    r: float = Field(default=2 / 7, ge=0, le=1, description="share of the texts with short spans, few of them")
    s: float = Field(default=1 / 7, ge=0, le=1, description="share of the texts whose last quarter is written")
    x: float = Field(default=4 / 7, ge=0, le=1, description="share of the texts with long spans, or many")
    modes: bool = Field(
        default=False, description=f"begin each text with the token of its mode: {', '.join(MODES.values())}"
    )

    @model_validator(mode="after")
    def _draws_something(self) -> Self:
        if not self.r + self.s + self.x:
            raise ValueError("the shares of 'r', 's' and 'x' are all 0; give one of them")
        return self

    def look_at(self, tokenizer: Tokenizer, longest: int) -> None:
        """See `Corruption.look_at`: a sentinel a span, and tokens for the modes."""
        most = max(int(self._hidden(each, np.array([longest]))[1][0]) for each in self._drawn())
        look_for_sentinels(tokenizer, most, longest)
        lacking = [name for name in MODES.values() if tokenizer.backend_tokenizer.token_to_id(name) is None]
        if self.modes and lacking:
            raise Refusal(
                f"task.corruption.modes: the tokenizer has no token {lacking[0]}; add it with tokenizer: {{kind: "
                f"extended, base: ..., special: {[*MODES.values()]}}}, or leave 'modes' out"
            )

    def lengths(self, lengths_N: Lengths) -> tuple[Lengths, Lengths]:
        """See `Corruption.lengths`: those of the denoiser with most."""
        hidden, spans = zip(*(self._hidden(each, lengths_N) for each in self._drawn()), strict=True)
        read = [lengths_N - some + marks for some, marks in zip(hidden, spans, strict=True)]
        written = [some + marks for some, marks in zip(hidden, spans, strict=True)]
        return np.max(read, 0) + self.modes, np.max(written, 0)

    def corrupted(self, ids_T: Ids, tokenizer: Tokenizer, rng: np.random.Generator) -> tuple[Ids, Ids]:
        """See `Corruption.corrupted`."""
        drawn = self._drawn()
        shares = np.array([getattr(self, each.mode) / sum(one.mode == each.mode for one in drawn) for each in drawn])
        denoiser = drawn[int(rng.choice(len(drawn), p=shares / shares.sum()))]
        if denoiser.mean_span is None:
            (hidden,), _ = self._hidden(denoiser, np.array([len(ids_T)]))
            hidden_T = np.arange(len(ids_T)) >= len(ids_T) - hidden
        else:
            hidden_T = spans_hidden(len(ids_T), denoiser.density, denoiser.mean_span, rng)
        read, written = by_sentinels(ids_T, hidden_T, sentinels(tokenizer, len(ids_T)))
        mode = [tokenizer.backend_tokenizer.token_to_id(MODES[denoiser.mode])] if self.modes else []
        return np.r_[mode, read].astype(np.int32), written

    def asked(self, ids_T: Ids, tokenizer: Tokenizer) -> Ids:
        """See `Corruption.asked`: each mask token is a sentinel."""
        return with_sentinels(ids_T, tokenizer)

    def _drawn(self) -> list[Denoiser]:
        return [each for each in DENOISERS if getattr(self, each.mode)]

    @staticmethod
    def _hidden(denoiser: Denoiser, lengths_N: Lengths) -> tuple[Lengths, Lengths]:
        """How many tokens it hides, and in how many spans."""
        mean = denoiser.mean_span or float(lengths_N.max(initial=1)) + 1
        return hidden_and_spans(lengths_N, denoiser.density, mean)
