"""What a model has written, held against the passages that it was given: what nothing there supports is dropped.

A sentence stands if a sentence of a passage, or two that follow each other, hold most of its words, all of its numbers,
days, names and quotations (`facts.py`; of Chinese all characters but particles), and deny where it denies. That is a
check of words: what is made up in some plain words, or twisted in the same words, it does not find.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from danlu.apps.grounded.asked import content
from danlu.apps.grounded.cited import Cited, cited
from danlu.apps.grounded.facts import facts, held
from danlu.apps.grounded.wrapped import whole_sentences
from danlu.data.characters.sentences import sentences
from danlu.index.document import Found
from danlu.index.tokens import query_tokens, tokens

Said = tuple[int, int, frozenset[str], frozenset[str]]
"""Begin, end, words, and what it holds of `facts`."""

SHARE = 0.6
"""Of a sentence's words, that must stand in what supports it."""

LONGEST = 10_000
"""Characters of what was written that are looked at."""

_MARK = re.compile(r"\s*[\[【［]\s*(\d{1,3}(?:\s*[,，、]\s*\d{1,3})*)\s*[\]】］]")
_QUOTED = re.compile(r"[“\"「『《]([^”\"」』》]{2,})[”\"」』》]")
_DENIES = re.compile(r"\b(?:no|not|never|none|nor|cannot|without)\b|n't\b|[不没无未非别勿]", re.IGNORECASE)


@dataclass(frozen=True)
class Verified:
    """What is left of a written answer: its text with the numbers of passages, what it rests on, and what went."""

    text: str
    cited: tuple[Cited, ...]
    dropped: tuple[str, ...]


def verified(written: str, passages: Sequence[Found]) -> Verified:
    """The sentences that a passage supports, each with its number; first those that it names itself are looked at."""
    kept, cites, dropped = [], [], []
    said = [_said(passage.text) for passage in passages]
    for claim, named in _claims(written[:LONGEST], len(passages)):
        order = dict.fromkeys([*named, *range(1, len(passages) + 1)])
        found = next((piece for number in order if (piece := _support(claim, passages, said, number))), None)
        if found is None:
            dropped.append(claim)
        else:
            kept.append(f"{claim}[{found.number}]")
            cites.append(found)
    return Verified(" ".join(kept), tuple(dict.fromkeys(cites)), tuple(dropped))


def _claims(written: str, count: int) -> list[tuple[str, list[int]]]:
    """Each sentence without its marks, and the numbers that these say; marks behind the full stop belong to it.

    Other numbers than those of the `count` passages are of the text where it goes on behind them, as in 财税[2016]36号.
    """

    def numbers_in(mark: re.Match[str]) -> list[int]:
        return [int(each) for each in re.findall(r"\d+", mark.group(1))]

    def is_text(mark: re.Match[str]) -> bool:
        known = all(1 <= number <= count for number in numbers_in(mark))
        return not known and bool(re.match(r"\w", mark.string[mark.end() :]))

    found: list[tuple[str, list[int]]] = []
    for start, end in sentences(written):
        sentence = written[start:end]
        numbers = [number for mark in _MARK.finditer(sentence) if not is_text(mark) for number in numbers_in(mark)]
        leading = _MARK.match(sentence)
        claim = _MARK.sub(lambda mark: mark.group() if is_text(mark) else "", sentence).strip()
        if leading and found and not is_text(leading):
            own = numbers_in(leading)
            found[-1][1].extend(own)
            numbers = numbers[len(own) :]
        if re.search(r"\w", _MARK.sub("", claim)):
            found.append((claim, numbers))
    return found


def _said(text: str) -> list[Said]:
    """The sentences of a passage, and each two that follow each other: where they stand, and their words."""
    places = whole_sentences(text)
    spans = [*places, *((one[0], other[1]) for one, other in pairwise(places))]
    return [(start, end, frozenset(tokens(text[start:end])), held(text[start:end])) for start, end in spans]


def _support(claim: str, passages: Sequence[Found], said: Sequence[Sequence[Said]], number: int) -> Cited | None:
    """What supports a sentence in the passage of a number; None where nothing does."""
    if not 1 <= number <= len(passages):
        return None
    passage, sought, stated = passages[number - 1], query_tokens(content(claim)), facts(claim)
    best: tuple[float, int, int] | None = None
    for start, end, there, known in said[number - 1]:
        share = sum(word in there for word in sought) / len(sought) if sought else 0.0
        better = share >= SHARE and (best is None or share > best[0] + 1e-9)
        if better and stated <= known and _agrees(claim, passage.text[start:end]):
            best = share, start, end
    return None if best is None else cited(passage, number, best[1], best[2])


def _agrees(claim: str, text: str) -> bool:
    """Whether quotations of a sentence stand in a text, and both deny or neither does."""
    quoted = all(match.group(1) in text for match in _QUOTED.finditer(claim))
    return quoted and bool(_DENIES.search(claim)) == bool(_DENIES.search(text))
