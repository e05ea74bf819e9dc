"""The sentences of a passage whose lines end where they were full, as those of PDF files and of wrapped text do."""

import re
from unicodedata import east_asian_width

from danlu.apps.grounded.asked import ASKING
from danlu.data.characters.sentences import sentences
from danlu.data.characters.word_cutting import Borders

NARROWEST, WIDE = 24, 60
"""Columns, of which Chinese characters take two: lines that may be full, and those of running text."""

FULL = 0.85
"""Share of the widest line around, from which a line is full; letters of a printed page differ in width."""

MOST = 10
"""Lines of one sentence."""

_ENDED = re.compile(r"[。！？!?….][\"'”’」』）》)\]]*\Z")
_STOPS = re.compile(r"[：:；;][\"'”’」』）》)\]]*\Z")
_APART = re.compile(
    r"\s*(?:[-*•·●○◦▪■□>|+–—]|#{1,6}\s|[（(]?(?:\d{1,3}|[A-Za-z]|[一二三四五六七八九十]{1,3})[.)）、．](?!\d)"
    r"|第[一二三四五六七八九十百零〇\d]{1,6}[章节条款]|[^\s，。,.：:]{1,12}[：:](?!\d)|[^，。,.：:]{1,24}:\s)"
)
"""Begins of list items, headings and lines that name what they tell."""
_TITLE = re.compile(r"\s*(?:#{1,6}\s|第[一二三四五六七八九十百零〇\d]{1,6}[章节]|\|)")
_ASKS = re.compile(
    rf"{ASKING}|吗(?!啡|丁啉)|[?？]|^\W*(?:When|How|Who|Whose|What|Which|Where|Why|Can|Does|Do|Is|Are)\b",
    re.MULTILINE,
)
_NUMERAL = r"[\d〇零一二两三四五六七八九十百千万]"
_NUMBERED = re.compile(rf"\A\s*{_NUMERAL}")
_COUNTED = re.compile(rf"{_NUMERAL}(?:[元角分号點点天日月年人个名项张岁]|\s?[A-Za-z]{{1,8}})?\W*\Z")
_OPENING = re.compile(r"\A\s*(?:[\u3400-\u9fff]{2}|[A-Za-z]{4,})")
_LINE = re.compile(r"[\n\f]")
_WORD = re.compile(r"[\u3005-\u9fff\uff00-\uffef]|[^\s\u3005-\u9fff\uff00-\uffef]+")


def whole_sentences(text: str) -> Borders:
    """The characters of each sentence, as `sentences` has them; one goes on in the next line where its own is full."""
    found: Borders = []
    run: Borders = []
    for place in sentences(text):
        if run and not _goes_on(text, run[-1][1], *place):
            found += _joined(text, run)
            run = []
        run.append(place)
    return found + _joined(text, run)


def _joined(text: str, run: Borders) -> Borders:
    """The lines of a sentence as one, if it comes to its end: those of a list do not, nor begin small, as headings."""
    ended = 1 < len(run) <= MOST and _ENDED.search(text[run[-1][0] : run[-1][1]])
    return [(run[0][0], run[-1][1])] if ended and not text[run[0][0]].islower() else run


def _goes_on(text: str, end: int, start: int, last: int) -> bool:
    """Whether what ends a line, at `end`, goes on with what stands from `start` to `last`."""
    if text[end:start].strip(" \t") != "\n" or "\f" in text[start:last]:  # the foot of a page
        return False
    line, following = _LINE.split(text[:end])[-1], _LINE.split(text[start:])[0]
    if _ENDED.search(line) or _STOPS.search(line) or _TITLE.match(line) or _APART.match(following):
        return False
    if "\t" in line + following or _are_rows(line, following) or _ASKS.search(f"{line}\n{following}"):
        return False
    around = [_width(each) for each in _LINE.split(_block(text, end))]
    word = _WORD.match(following)
    widest = max(around)
    if widest < NARROWEST or _width(line) + _width(word[0] if word else "") < FULL * widest:
        return False
    if following[0].isupper():  # a name, or another beginning
        return widest >= WIDE
    others = sum(_width(each) > FULL * widest for each in _LINE.split(text))
    return following[0].islower() or others > 1 or bool(re.search("[，、,]", line))


def _are_rows(line: str, following: str) -> bool:
    """Whether two lines are alike, as those of a list without marks: with a number at the begin or end, or a word."""
    pairs = [(each.search(line), each.search(following)) for each in (_NUMBERED, _COUNTED, _OPENING)]
    numbered, counted, opening = (one and other and (one[0], other[0]) for one, other in pairs)
    return bool(numbered or counted or (opening and opening[0].lower() == opening[1].lower()))


def _block(text: str, place: int) -> str:
    """The lines around a place between two blank ones."""
    before = list(re.finditer(r"\n[^\S\n]*\n", text[:place]))
    after = re.compile(r"\n[^\S\n]*\n").search(text, place)
    return text[before[-1].end() if before else 0 : after.start() if after else len(text)].strip("\n")


def _width(text: str) -> int:
    return sum(2 if east_asian_width(sign) in "WF" else 1 for sign in text.strip())
