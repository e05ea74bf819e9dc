"""Drafts in order, with the reasons: what each has that was asked for, and how well it reads."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from danlu.apps.write.wish import Wish
from danlu.evaluate.scoring.written import Runs, runs, units
from danlu.model.must_have import has, units_of

WEIGHTS = {"likelihood": 1.0, "tone": 1.0, "fresh": 1.0, "whole": 0.5, "apart": 0.5}
"""Of each reason in the order of drafts that have all that was asked for."""

_RUN, _PAIR = 4, 2
_ENDS = "。！？…”’」』）.!?\"')"


@dataclass(frozen=True)
class Candidate:
    """What was written, before it is compared.

    - `log_probability`: of all `tokens`, as the model has it (nats); `ended`: by itself, not at its greatest length.
    - `tone`: how probable the tone that was asked for is; None where nobody judges it.
    """

    text: str
    log_probability: float
    tokens: int
    ended: bool
    tone: float | None = None


@dataclass(frozen=True)
class Draft:
    """A draft and the reasons for its place.

    - `missing`: words that it must have and has not; `length`, `off`: its units, and how many too few or too many.
    - `perplexity`: of its tokens; `reasons`: each from 0 to 1, 1 the best (`WEIGHTS`); `score`: their weighted mean.
    """

    text: str
    missing: tuple[str, ...]
    length: int
    off: int
    perplexity: float
    reasons: Mapping[str, float]
    score: float


def ranked(candidates: Sequence[Candidate], wish: Wish) -> list[Draft]:
    """The best drafts, as many as are wanted, in order.

    First come those that have all words, then those of the right length, then those of the best score; how far a draft
    is from those before it counts in its score. Of drafts that say the same the first is kept.
    """
    seen: dict[str, Candidate] = {}
    for each in candidates:
        seen.setdefault(each.text.strip(), each)
    left = {text: _looked_at(text, each, wish) for text, each in seen.items()}
    best = max((draft.reasons["likelihood"] for draft, _ in left.values()), default=1.0)
    pairs = dict(zip(left, (runs(each, _PAIR) for each in units(list(left))), strict=True))
    found: list[Draft] = []
    while left and len(found) < wish.drafts:
        placed = {
            text: _placed(
                draft, kept, best, max((_alike(pairs[text], pairs[each.text]) for each in found), default=0.0)
            )
            for text, (draft, kept) in left.items()
        }
        text = min(placed, key=lambda each: (len(placed[each].missing), placed[each].off, -placed[each].score))
        found.append(placed[text])
        del left[text]
    return found


def _looked_at(text: str, candidate: Candidate, wish: Wish) -> tuple[Draft, dict[str, float]]:
    """A draft without its place, and the reasons that do not depend on others."""
    low, high = wish.bounds
    length = units_of(text, wish.unit)
    perplexity = math.exp(min(700.0, -candidate.log_probability / max(1, candidate.tokens)))
    again = runs(units([text])[0], _RUN)
    reasons = {
        "fresh": len(again) / again.total() if again else 1.0,
        "whole": float(candidate.ended and text.endswith(tuple(_ENDS))),
    }
    if candidate.tone is not None:
        reasons["tone"] = candidate.tone
    missing = tuple(word for word in wish.words if not has(text, word))
    off = max(0, low - length, length - high)
    return Draft(text, missing, length, off, perplexity, {"likelihood": 1 / perplexity}, 0.0), reasons


def _placed(draft: Draft, kept: Mapping[str, float], best: float, alike: float) -> Draft:
    reasons = {"likelihood": draft.reasons["likelihood"] / best if best else 0.0, **kept, "apart": 1 - alike}
    total = sum(WEIGHTS[name] for name in reasons)
    score = sum(WEIGHTS[name] * value for name, value in reasons.items()) / total
    return Draft(draft.text, draft.missing, draft.length, draft.off, draft.perplexity, reasons, score)


def _alike(one: Runs, other: Runs) -> float:
    """The share of pairs of units that two texts have in common (Jaccard, 1901)."""
    either: Counter[tuple[object, ...]] = one | other
    return (one & other).total() / either.total() if either else 1.0
