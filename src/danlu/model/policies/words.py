"""Texts that have some words, wherever the model finds the best places for them (Post and Vilar, 2018)."""

from collections.abc import Sequence
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, StringConstraints, model_validator
from torch import Tensor

from danlu.machine.seed import generator
from danlu.model.banks import Banked, Bounds
from danlu.model.ends import Ends
from danlu.model.hypothesis import Hypotheses
from danlu.model.must_have import MustHave, Standing, Unit
from danlu.model.policy import Policy
from danlu.model.shaping import History, shaped, shapes
from danlu.model.spelling import spelled
from danlu.model.token_bytes import token_bytes
from danlu.refusal import Refusal

LONGEST = 60
"""Characters of a word."""


class Words(Policy):
    """A text that has some words: the likeliest one, or under a `temperature` one drawn among all that have them."""

    words: tuple[Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST)], ...] = (
        Field(
            default=(),
            max_length=32,
            description="what the text must have; Chinese words anywhere, others as words of their own",
        )
    )
    temperature: float = Field(
        default=0.0, ge=0, le=1e3, description="0: the likeliest text; 1: as likely as the model says"
    )
    beams: int = Field(default=8, ge=2, le=256, description="beginnings that are kept")
    top_k: int | None = Field(
        default=40, ge=1, description="tokens that are looked at in each place, beside those that the words need"
    )
    at_least: int = Field(default=0, ge=0, description="units of the text")
    at_most: int | None = Field(default=None, ge=1, description="the same, at most")
    unit: Unit = Field(default="characters", description="in which lengths are told; words stand between spaces")
    length_penalty: float = Field(
        default=1.0, ge=0, le=10, description="of the likeliest text: its score is divided by its tokens to this power"
    )
    patience: float = Field(
        default=2.0,
        gt=0,
        le=1e6,
        description="for each beam so many texts end before the search does (Kasai et al., 2022)",
    )
    seed: int = Field(default=0, description="of what is drawn; with another one, other texts")

    @model_validator(mode="after")
    def _possible(self) -> Self:
        if self.form:
            raise ValueError(
                f"'{next(iter(self.form))}' says of what form the whole text is; leave 'words' out with it"
            )
        if self.no_repeat_ngram:
            raise ValueError("'no_repeat_ngram' would forbid words that stand in what is read; leave it out")
        if self.at_most is not None and self.at_least > self.at_most:
            raise ValueError(f"at_least {self.at_least} is more than at_most {self.at_most}; lower it")
        return self

    def within(self, tokens: int) -> Self:
        """As it is: a text that is cut has not all of the words."""
        return self

    @property
    def rows(self) -> int:
        """A row a beginning."""
        return self.beams

    def begin(self, prompt: Sequence[int], number: int, ends: Ends) -> Banked:
        """See `Policy.begin`; each prompt has random numbers of its own.

        Raises:
            Refusal: a word cannot be written with the model's tokens, or there is no room for all of them.
        """
        pieces = token_bytes(ends.tokenizer)
        wanted = MustHave([*dict.fromkeys(self.words)], pieces, self.unit, spelled(ends.before, ends.tokenizer))
        bounds = Bounds(
            width=self.beams,
            at_least=self.at_least,
            at_most=float("inf") if self.at_most is None else self.at_most,
            power=0.0 if self.temperature else self.length_penalty,
            enough=self.patience * self.beams,
        )
        found = Banked(
            prompt, ends, wanted, bounds, generator(self.seed, "words", number) if self.temperature else None
        )
        self._refuse_impossible(found.open[0].standing, ends)
        return found

    def _refuse_impossible(self, start: Standing, ends: Ends) -> None:
        room = ends.room - ends.forced
        if start.need > room:
            raise Refusal(
                f"policy.words: the words take {start.need:,.0f} tokens, and {room:,} may be written; raise "
                "max_new_tokens, shorten what is read before, or ask for fewer words"
            )
        for word in self.words:
            if stops := [stop for stop in ends.stop if stop in word]:
                raise Refusal(
                    f"policy.words: '{stops[0]:.40}' stops the text, and is in '{word}'; leave one of them out"
                )
        if self.at_most is not None and start.least > self.at_most:
            raise Refusal(
                f"policy.words: the words alone have {start.least:,} {self.unit}, and at_most is {self.at_most:,}; "
                "raise it, or ask for fewer words"
            )

    def advance(self, group: Sequence[Hypotheses], logits_BV: Tensor) -> None:
        """See `Policy.advance`; the log-probability is that of the model, before anything is changed."""
        every = [each for each in group if isinstance(each, Banked)]
        assert len(every) == len(group)
        log_BV = logits_BV.log_softmax(1)
        scores_BV = log_BV
        rows = [(each, begun) for each in every for begun in each.open]
        if any(shapes(self, each.ends) for each in every):
            histories = [History(each.prompt, begun.ids) for each, begun in rows]
            scores_BV = shaped(self, log_BV, histories, [each.ends for each, _ in rows])
        if self.temperature:
            scores_BV = scores_BV / self.temperature
        size = scores_BV.shape[1]
        top_BK = scores_BV.topk(min(size, self.top_k or size)).indices.cpu().numpy()
        wants = [[token for token in row if token < size] for each in every for row in each.wants()]
        tokens = [np.union1d(top_K, row).astype(np.int64) for top_K, row in zip(top_BK, wants, strict=True)]
        logs, scores = (values.double().cpu().numpy() for values in (log_BV, scores_BV))
        place = 0
        for each in every:
            own = range(place, place + len(each.open))
            place += len(each.open)
            each.add(
                [tokens[row] for row in own],
                [logs[row, tokens[row]] for row in own],
                [self._chances(scores[row, tokens[row]]) for row in own],
            )

    def _chances(self, scores_K: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log-probabilities by which tokens are drawn, which are those that are looked at; else their scores alone."""
        if not self.temperature:
            return scores_K
        most = scores_K.max()
        found: NDArray[np.float64] = scores_K - most - np.log(np.exp(scores_K - most).sum())
        return found
