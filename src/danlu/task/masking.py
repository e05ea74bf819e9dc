"""Which tokens are hidden, and behind what.

Tokens and the 80/10/10 of Devlin et al. (2019); whole words (Cui et al., 2021, for Chinese); spans of geometric length
(SpanBERT, Joshi et al., 2020); n-grams of words (MacBERT, Cui et al., 2020; ERNIE-Gram); a share that changes while
training (Wettig et al., 2023; Ankner et al., 2024).

Legend: B rows, T tokens, K hidden tokens, U units, which are tokens or words, R runs of units.
"""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from danlu.recipe.part import Part, find
from danlu.refusal import Refusal
from danlu.text.batching.batch import pad
from danlu.text.batching.encoded import Encoded, Ids
from danlu.text.segmenting.segmenter import Segmenter
from danlu.text.tokenizing.tokenizer import Tokenizer

Numbers = NDArray[np.int64]

TOKENS, WORDS = "tokens", "words"
"""Targets of a row: the numbers of the tokens that may be hidden, and which word each is of.

Words are counted down from -1, for nothing of them is to be learnt.
"""
USUAL_LONGEST = 10  # units of a span (SpanBERT)
_TRIES = 8  # places at which a run may not fit before it is shortened


class Masking(Part):
    """What is hidden of a text, and behind what."""

    share: float = Field(default=0.15, gt=0, lt=1, description="share of the tokens that are hidden")
    share_end: float | None = Field(
        default=None, gt=0, lt=1, description="that share at the end of the training; None: as at its beginning"
    )
    share_schedule: Literal["linear", "cosine"] | None = Field(
        default=None, description="how it goes from 'share' to 'share_end'; None: linear"
    )
    masked: float = Field(default=0.8, ge=0, le=1, description="of these, the share that becomes the mask token")
    replaced: float = Field(default=0.1, ge=0, le=1, description="and the share that becomes a random token")
    units: Literal["tokens", "words"] = Field(default="tokens", description="what is hidden whole")
    segmenter: Segmenter | None = Field(
        default=None, description="what tells words apart, such as jieba; None: rules, each Chinese character a word"
    )
    spans: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="hide runs of units, which end with each unit with this chance (0.2 in SpanBERT)",
    )
    longest_span: int | None = Field(default=None, ge=1, le=512, description="units of such a run at most; None: 10")
    ngrams: tuple[Annotated[float, Field(ge=0, le=1)], ...] = Field(
        default=(), description="hide runs of 1, 2, 3 ... units in these shares ([0.4, 0.3, 0.2, 0.1] in MacBERT)"
    )

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.masked + self.replaced > 1:
            raise ValueError("'masked' and 'replaced' are shares of the hidden tokens; together they may be 1 at most")
        if self.share_schedule and self.share_end is None:
            raise ValueError("'share_schedule' has an effect with 'share_end' alone; give that too, or leave it out")
        if self.segmenter is not None and self.units != "words":
            raise ValueError("'segmenter' has an effect with 'units: words' alone; leave it out")
        if self.longest_span is not None and self.spans is None:
            raise ValueError("'longest_span' has an effect with 'spans' alone; leave it out")
        if self.ngrams and self.spans is not None:
            raise ValueError("'ngrams' and 'spans' both say how long runs are; give one of them")
        if self.ngrams and not math.isclose(sum(self.ngrams), 1, abs_tol=1e-6):
            raise ValueError(f"'ngrams' are shares, which must come to 1, and they come to {sum(self.ngrams):g}")
        return self

    def share_at(self, done: float) -> float:
        """The share that is hidden when a share `done` of the training is."""
        if self.share_end is None:
            return self.share
        way = (1 - math.cos(math.pi * done)) / 2 if self.share_schedule == "cosine" else done
        return self.share + (self.share_end - self.share) * way

    def at(self, done: float) -> Self:
        """This, as it is when a share `done` of the training is."""
        return self if self.share_end is None else self.model_copy(update={"share": self.share_at(done)})

    @property
    def run_lengths(self) -> NDArray[np.float64]:
        """How likely runs of 1, 2, 3 ... units are."""
        if self.ngrams:
            return np.array(self.ngrams) / sum(self.ngrams)
        if self.spans is None:
            return np.ones(1)
        found = (1 - self.spans) ** np.arange(self.longest_span or USUAL_LONGEST)
        return np.asarray(found / found.sum())

    @property
    def by_runs(self) -> bool:
        """Whether neighbours are hidden together beyond a word, and then behind the same."""
        return self.spans is not None or bool(self.ngrams)

    def with_targets(
        self, encoded: Sequence[Encoded], texts: Sequence[str], tokenizer: Tokenizer, of: Sequence[int] | None = None
    ) -> None:
        """Give labelled rows the target `tokens`, and with words `words`, for which rows must have offsets.

        `of` are the numbers of the rows' texts; None: those of their records. Offsets are dropped.
        """
        special = np.array(tokenizer.all_special_ids, np.int32)
        begins = self._word_begins(texts) if self.units == "words" else []
        for number, item in zip(of or [item.record for item in encoded], encoded, strict=True):
            row = item.row
            item.targets[TOKENS] = np.where(np.isin(row.input_ids, special), -100, row.input_ids)
            if self.units == "words":
                assert row.offsets is not None
                item.targets[WORDS] = _words(row.offsets, begins[number], item.targets[TOKENS] >= 0)
            row.offsets = None

    def refuse_flat(self, kind: str) -> None:
        """Raise `Refusal` for words in flat token files."""
        if self.units == "words":
            raise Refusal(
                "task.units: flat token files hold no characters to tell words by; write 'task: {kind: "
                f"{kind}, units: words}}' in the stage of kind 'shards' as well, or hide tokens"
            )

    def need_mask(self, tokenizer: Tokenizer) -> None:
        """Raise `Refusal` for a tokenizer without a mask token."""
        if tokenizer.mask_token_id is None:
            raise Refusal("the tokenizer has no mask token; train a 'wordpiece' one, or choose the task 'causal_lm'")

    def hide(
        self, encoded: Sequence[Encoded], ids_BT: Numbers, tokenizer: Tokenizer, rng: np.random.Generator
    ) -> Numbers:
        """Hide a share of the tokens of a whole batch in `ids_BT` itself; what they were, (B, T), -100 elsewhere.

        `encoded` are its rows, with targets. The number of tokens is rounded so that the head sees few shapes; words
        and runs come as near to it as they fit.
        """
        width = ids_BT.shape[1]
        labels_BT = np.full(ids_BT.shape, -100, np.int64)
        maskable = np.flatnonzero(_target(encoded, TOKENS, width) >= 0)
        if self.units == "tokens" and not self.by_runs:
            hidden_K = rng.choice(maskable, self.how_many(len(maskable)), replace=False, shuffle=False)
            runs_K: Numbers | None = None
        else:
            words_BT = _target(encoded, WORDS, width) if self.units == "words" else None
            units = _Units.of(maskable, width, words_BT)
            hidden_K, runs_K = self._in_runs(units, self.how_many(len(maskable)), rng)
        labels_BT.flat[hidden_K] = ids_BT.flat[hidden_K]
        ids_BT.flat[hidden_K] = self._corrupted(labels_BT.flat[hidden_K], runs_K, tokenizer, rng)
        return labels_BT

    def hide_by_content(self, row_T: Ids, ids_T: Numbers, labels_T: Numbers, tokenizer: Tokenizer) -> None:
        """Hide single tokens as the row's own content decides, all behind the mask token, so that scores compare."""
        maskable = np.flatnonzero(~np.isin(row_T, tokenizer.all_special_ids))
        rng = np.random.default_rng(zlib.crc32(row_T.tobytes()))
        hidden = rng.choice(maskable, self.how_many(len(maskable)), replace=False)
        labels_T[hidden] = ids_T[hidden]
        ids_T[hidden] = tokenizer.mask_token_id

    def how_many(self, tokens: int) -> int:
        """How many of so many tokens are hidden; from 128 on a multiple of 16, which is 6 % off at most."""
        count = max(1, round(self.share * tokens))
        return min(count if count < 128 else round(count / 16) * 16, tokens)

    def _word_begins(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Where the words of each text begin, and one past its end."""
        segmenter = self.segmenter or find(Segmenter, "rules")()  # type: ignore[type-abstract]
        return [np.cumsum([0, *map(len, words)]) for words in segmenter.segment(texts)]

    def _in_runs(self, units: "_Units", budget: int, rng: np.random.Generator) -> tuple[Numbers, Numbers]:
        """Places of the hidden tokens, and the number of the run that each is in."""
        lengths = self.run_lengths
        drawn = rng.choice(len(lengths), budget + 1, p=lengths) + 1
        order = rng.permutation(len(units.sizes))
        runs = _runs(units, budget, drawn.tolist(), order.tolist())
        firsts = np.array([first for first, _ in runs], np.int64)
        stops = np.array([stop for _, stop in runs], np.int64)
        starts = np.append(units.starts, len(units.places))
        counts_R = starts[stops] - starts[firsts]
        run_K = np.repeat(np.arange(len(runs)), counts_R)
        within_K = np.arange(counts_R.sum()) - np.repeat(np.cumsum(counts_R) - counts_R, counts_R)
        return units.places[starts[firsts][run_K] + within_K], run_K

    def _corrupted(
        self, truth_K: Numbers, runs_K: Numbers | None, tokenizer: Tokenizer, rng: np.random.Generator
    ) -> Numbers:
        """What is shown in place of the hidden tokens; those of one run share their fate where runs are hidden."""
        if runs_K is None or not len(runs_K) or not self.by_runs:
            fate_K = rng.random(len(truth_K))
        else:
            fate_K = rng.random(int(runs_K[-1]) + 1)[runs_K]
        random_K = random_tokens(len(truth_K), tokenizer, rng)
        shown_K = np.where(fate_K < self.masked + self.replaced, random_K, truth_K)
        mask_id = int(tokenizer.mask_token_id)
        return np.where(fate_K < self.masked, mask_id, shown_K)


def _target(encoded: Sequence[Encoded], name: str, width: int) -> Numbers:
    found: Numbers = pad([item.targets[name] for item in encoded], width, -100).numpy()
    return found


def random_tokens(count: int, tokenizer: Tokenizer, rng: np.random.Generator) -> Numbers:
    """Numbers of ordinary tokens, each as likely as the other."""
    special = tokenizer.all_special_ids
    drawn = rng.integers(0, len(tokenizer), count)
    while (wrong := np.isin(drawn, special)).any():
        drawn[wrong] = rng.integers(0, len(tokenizer), int(wrong.sum()))
    return drawn


def _words(offsets_T2: Ids, begins: NDArray[np.int64], ordinary_T: NDArray[np.bool_]) -> Ids:
    """Which word each token is of, (T,), counted down from -1; words that share a token are one.

    A word begins with a token where one of `begins` lies between the end of the token before and its own start.
    """
    starts_T, ends_T = offsets_T2[:, 0], offsets_T2[:, 1]
    before_T = np.maximum.accumulate(np.where(ordinary_T, ends_T, 0))
    before_T = np.concatenate([[0], before_T[:-1]])
    first_T = np.searchsorted(begins, before_T, "left")
    parted_T = begins[np.minimum(first_T, len(begins) - 1)] <= starts_T
    return (-1 - np.cumsum(parted_T | ~ordinary_T)).astype(np.int32)


@dataclass(frozen=True)
class _Units:
    """What may be hidden of a batch.

    - `places`: (N,), of the tokens that may be, in the flat batch; `starts`: (U,), the first of each unit among them.
    - `sizes`: (U,), tokens; `left`: (U,), how many units there are from it to the end of its stretch of tokens.
    """

    places: Numbers
    starts: Numbers
    sizes: Numbers
    left: Numbers

    @classmethod
    def of(cls, places: Numbers, width: int, words_BT: Numbers | None) -> "_Units":
        """Units of the tokens at `places`; a stretch ends with its row, and before a token that is never hidden."""
        apart_N = np.diff(places, prepend=-2) != 1
        apart_N |= np.diff(places // width, prepend=-1) != 0
        begins_N = np.ones(len(places), bool)
        if words_BT is not None:
            words_N = words_BT.flat[places]
            begins_N = apart_N | (np.diff(words_N, prepend=0) != 0)
        starts = np.flatnonzero(begins_N)
        sizes = np.diff(starts, append=len(places))
        stretches = np.append(np.flatnonzero(apart_N[starts]), len(starts))
        ends = stretches[np.searchsorted(stretches, np.arange(len(starts)), "right")]
        return cls(places, starts, sizes, ends - np.arange(len(starts)))


def _runs(units: _Units, budget: int, lengths: list[int], order: list[int]) -> list[tuple[int, int]]:
    """Runs of free units, the first and the one behind the last of each, of `budget` tokens at most.

    Each has the next of `lengths`, and begins where `order` says, or at the next place where it fits; one that fits at
    none of several places is as long as it fits.
    """
    sizes, left = units.sizes.tolist(), units.left.tolist()
    taken, found = bytearray(len(sizes)), list[tuple[int, int]]()
    room, misses = budget, 0
    for first in [*order, *(order if max(lengths) > 1 else ())]:
        if not room:
            break
        wanted, stop, tokens = lengths[len(found)], first, 0
        most = first + min(wanted, left[first])
        while stop < most and not taken[stop] and tokens + sizes[stop] <= room:
            tokens += sizes[stop]
            stop += 1
        if stop == first:
            continue
        if stop - first < wanted and misses < _TRIES:
            misses += 1
            continue
        taken[first:stop] = b"\x01" * (stop - first)
        found.append((first, stop))
        room, misses = room - tokens, 0
    if not found and sizes:  # every unit is longer than all that is to be hidden
        shortest = min(order, key=sizes.__getitem__)
        found.append((shortest, shortest + 1))
    return found
