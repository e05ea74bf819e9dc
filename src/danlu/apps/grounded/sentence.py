"""An answer without any model: the sentence in which most of the question's words stand (Luhn, 1958)."""

import re
from collections.abc import Iterator, Sequence

from danlu.apps.grounded.asked import Asked, words
from danlu.apps.grounded.cited import Cited, cited
from danlu.apps.grounded.wrapped import whole_sentences
from danlu.index.document import Found

_MARKED = re.compile(r"#{1,6}\s")
_ENDS = "。！？!?….；;：:，,、"
_CLOSING = "\"'”’」』）》)]*"
_LONGEST = 80
"""Characters of a heading that has no mark."""


def best_sentence(asked: Asked, passages: Sequence[Found]) -> tuple[Cited | None, float]:
    """The sentence, and which share of the question's words it holds; None where there is none.

    Its title and the heading above it count as if they were said in it, and are no answers themselves. Where the best
    one is a question, or says only what was asked, the answer is the next.
    """
    best: tuple[float, float, int, int] | None = None
    borders = [list(_said(passage.text)) for passage in passages]
    for number, passage in enumerate(passages):
        for place, (start, end, heading) in enumerate(borders[number]):
            own = asked.covered(passage.text[start:end])
            share = asked.covered(f"{passage.title}\n{heading}\n{passage.text[start:end]}") if own else 0.0
            if best is None or (share > best[0] + 1e-9 or (share > best[0] - 1e-9 and own > best[1] + 1e-9)):
                best = share, own, number, place
    if best is None:
        return None, 0.0
    share, _, number, place = best
    text = passages[number].text
    for start, end, _ in borders[number][place:]:
        if text[end - 1] not in "?？" and not asked.weights.keys() >= set(words(text[start:end])):
            return cited(passages[number], number + 1, start, end), share
    start, end, _ = borders[number][place]
    return cited(passages[number], number + 1, start, end), share


def _said(text: str) -> Iterator[tuple[int, int, str]]:
    """The sentences that are no headings, each with the heading above it; all of them where there are no others."""
    heading, any_said = "", False
    places = whole_sentences(text)
    for start, end in places:
        if _is_heading(text, start, end):
            heading = text[start:end]
        else:
            any_said = True
            yield start, end, heading
    if not any_said:
        yield from ((start, end, "") for start, end in places)


def _is_heading(text: str, start: int, end: int) -> bool:
    """Whether a line is marked as a heading, or short, without a mark at its end, and alone before a paragraph."""
    line = text[text.rfind("\n", 0, start) + 1 : end].strip()
    if _MARKED.match(line):
        return True
    alone = line == text[start:end] and re.match(r"[^\S\n]*\n\s*\n", text[end:]) is not None
    return alone and end - start <= _LONGEST and line.rstrip(_CLOSING)[-1:] not in _ENDS
