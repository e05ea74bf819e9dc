"""A text in overlapping passages that end where sentences, lines or paragraphs do.

Every character stands in a passage, and no passage parts what a reader takes for one character.
"""

import re
from bisect import bisect_right
from itertools import accumulate, pairwise

from danlu.data.characters.clusters import goes_on
from danlu.data.characters.sentences import clauses, sentences
from danlu.data.characters.side_by_side import characters
from danlu.data.characters.word_cutting import Borders

SIZE = 800
"""Width of a passage: characters, of which Chinese ones count twice; some 200 tokens of a model."""

OVERLAP = 160
"""Width of what a passage repeats of the one before, in whole sentences."""

_WIDE = re.compile("[\u1100-\u11ff\u2e80-\ud7ff\uf900-\ufaff\uff00-\uff60\U00020000-\U0003ffff]")
_HEADING = re.compile(r"(?:#{1,6} |第[一二三四五六七八九十百零〇\d]{1,6}[章节条])")


def chunks(text: str, size: int = SIZE, overlap: int = OVERLAP) -> Borders:
    """The characters of each passage, end exclusive, in order; the first and the last begin and end with the text."""
    if not text:
        return []
    widths = [0, *accumulate(2 if _WIDE.match(sign) else 1 for sign in text)]
    if widths[-1] <= size:
        return [(0, len(text))]
    cuts = _cuts(text, widths, size)
    strengths = [_strength(text, cut) for cut in cuts]
    found: Borders = []
    first = 0  # place in `cuts`, as all below
    while True:
        furthest = bisect_right(cuts, _place(widths, widths[cuts[first]] + size)) - 1
        if furthest >= len(cuts) - 1:
            return [*found, (cuts[first], len(text))]
        earliest = bisect_right(cuts, _place(widths, widths[cuts[first]] + size // 2))
        last = max(range(min(max(earliest, first + 1), furthest), furthest + 1), key=lambda at: (strengths[at], at))
        found.append((cuts[first], cuts[last]))
        back = last
        while strengths[last] < 3 and back - 1 > first and widths[cuts[last]] - widths[cuts[back - 1]] <= overlap:
            back -= 1
        first = back


def _place(widths: list[int], width: int) -> int:
    """The last character before which no more than `width` stands."""
    return bisect_right(widths, width) - 1


def _strength(text: str, cut: int) -> int:
    """How well a text may be cut: before a heading 4, a paragraph 3, a line 2, a sentence 1."""
    before = text[max(0, cut - 200) : cut]
    space = before[len(before.rstrip()) :]
    if "\n" in space or "\f" in space:
        return 4 if _HEADING.match(text, cut) else 3 if space.count("\n") > 1 or "\f" in space else 2
    return 1 if before.rstrip()[-1:] in "。！？!?….\"'”’」』）)" else 0


def _cuts(text: str, widths: list[int], size: int) -> list[int]:
    """Where a text may be cut, so that no piece is wider than `size`; its begin and its end are among them."""
    starts = [0, *(start for start, _ in sentences(text)[1:]), len(text)]
    found = [0]
    for start, end in pairwise(starts):
        if widths[end] - widths[start] > size:
            piece = text[start:end]
            within = [start, *(start + at for at, _ in clauses(piece)[1:]), end]
            for low, high in pairwise(within):
                found += _hard_cuts(text, widths, low, high, size)
                found.append(high)
        else:
            found.append(end)
    return found


def _hard_cuts(text: str, widths: list[int], start: int, end: int, size: int) -> list[int]:
    """Cuts within what has no marks: behind the last space in reach, or between any two characters."""
    found: list[int] = []
    if widths[end] - widths[start] <= size:
        return found
    inside = goes_on(characters([text[start:end]]))
    origin = start
    while widths[end] - widths[start] > size:
        reach = _place(widths, widths[start] + size)
        space = max((match.end() for match in re.finditer(r"\s+", text[start:reach])), default=0)
        cut = start + space if space > (reach - start) // 2 else reach
        while cut > start + 1 and inside[cut - origin]:
            cut -= 1
        if cut <= start + 1 and inside[cut - origin]:  # one endless cluster
            cut = reach
        found.append(cut)
        start = cut
    return found
