"""What of a sentence nobody may make up: its numbers in figures and words, days, months, names, and Chinese characters.

Names cannot be told from other words without a list of these; so all that is written with a capital letter counts, the
first word of a sentence too unless it is one of those that begin many, and of Chinese each character but particles.
"""

import re
import unicodedata

from danlu.apps.grounded.asked import FUNCTION
from danlu.index.tokens import stem

_NUMBER = re.compile(r"(?:(?<![\w-])[-\u2212\u2013])?\d+(?:[.,:/-]\d+)*")
_WORD = re.compile("(?:(?![\u3005-\u9fff\uf900-\ufaff\U00020000-\U0003ffff])[^\\W\\d_])+")
_HAN = re.compile("[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_DIGITS = "零一二三四五六七八九"
_ALIKE = str.maketrans({"〇": "零", "两": "二"})
_NUMERAL = re.compile(f"[{_DIGITS}〇两十百千万亿半]+")
_DAY = re.compile("(?:周|星期|礼拜)([一二三四五六日天])")
_ONE = re.compile("(?<=第)一|一(?=[点月日号年岁天周时位倍层楼]|个[月半小])")
"""Where it is a number, as in 一起, 一直, 一些 it is none."""

_UNITS = (
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve",
    "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
)  # fmt: skip
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_COUNTED = {word: str(number) for number, word in enumerate(_UNITS)}
_COUNTED |= {word: str(10 * number) for number, word in enumerate(_TENS, 2)}
_NAMED = frozenset({
    "hundred", "thousand", "million", "billion", "dozen", "half", "quarter", "third", "once", "twice", "first",
    "second", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "monday", "tuesday", "wednesday",
    "thursday", "friday", "saturday", "sunday", "january", "february", "april", "june", "july", "august",
    "september", "october", "november", "december",
})  # fmt: skip
_OPENING = FUNCTION | {
    "however", "also", "then", "but", "so", "because", "since", "after", "before", "during", "while", "although",
    "though", "if", "not", "no", "yes", "both", "all", "each", "every", "some", "most", "many", "several", "here",
    "today", "now", "later", "finally", "according", "based", "about",
}  # fmt: skip
"""Words that begin a sentence and name nothing."""
_WITHIN = FUNCTION - {"may", "will", "us", "who", "it", "am"}
"""Words of titles; the others are names there."""
_PARTICLES = frozenset(
    "的了着过很里中地得是为在有和与及或也都就还又而且并但以于由从到被把"
    "将其该此这那它他她们您我你会能可即则所之个吗呢吧啊"
    "不没无未非别勿"  # denials are held against each other as a whole, see cite.py
)


def facts(text: str) -> frozenset[str]:
    """What a claim must have in common with what supports it, alike whether in figures or words, large or small."""
    text = unicodedata.normalize("NFKC", text)
    found = {*_numbers(text), *_days(text), *_numerals(text)}
    for place, match in enumerate(_WORD.finditer(text)):
        word = match.group().casefold()
        if word in _COUNTED:
            found.add(_COUNTED[word])
        elif stem(word) in _NAMED or (match.group() != word and word not in (_WITHIN if place else _OPENING)):
            found.add(stem(word))
    return frozenset(found | set(_characters(text)))


def held(text: str) -> frozenset[str]:
    """What a text holds of such: every word, numeral and character of it."""
    normal = unicodedata.normalize("NFKC", text)
    words = {stem(word.casefold()) for word in _WORD.findall(normal)}
    return facts(text) | words | set(_numerals(normal, every=True)) | set(_HAN.findall(normal))


def _numbers(text: str) -> list[str]:
    """Those in figures; one below zero is another than the one above."""
    return [re.sub("^[\u2212\u2013]", "-", number) for number in _NUMBER.findall(text)]


def _days(text: str) -> list[str]:
    return [f"周{'日' if day == '天' else day}" for day in _DAY.findall(text)]


def _numerals(text: str, *, every: bool = False) -> list[str]:
    """Chinese ones in figures; `every`: also where they need be no number."""
    bare = _DAY.sub(" ", text)
    runs = _NUMERAL.finditer(bare)
    return [_value(run.group()) for run in runs if every or run.group() != "一" or _ONE.match(bare, run.start())]


def _characters(text: str) -> list[str]:
    """Chinese ones that are no particles; numbers and days count as a whole."""
    left = _NUMERAL.sub(" ", _DAY.sub(" ", text))
    return [sign for sign in _HAN.findall(left) if sign not in _PARTICLES]


def _value(numeral: str) -> str:
    """In figures, where it is a row of digits or below a hundred; else as it stands."""
    figures = "".join(str(_DIGITS.find(sign)) if sign in _DIGITS else sign for sign in numeral.translate(_ALIKE))
    match = re.fullmatch(r"(\d?)十(\d?)", figures)
    return f"{match[1] or 1}{match[2] or 0}" if match else figures
