"""A question that follows another, completed by what that one was about.

What a question was about is the longest run of its words that its answer's passage says too: its subject. A question
that says no more than another thing (`上海呢？`, `And the library?`) is the one before with its subject replaced; of
one that asks by itself (`几点关门呢？`, `And when is it closed?`) the words around it are left out. A pronoun (`它`,
`it`) is replaced by the subject; a short question gets the subject before it. How a question was read is told with its
answer.
"""

import re
from dataclasses import dataclass
from typing import Literal

from danlu.apps.grounded.asked import ASKING, FUNCTION, LONGEST, content, is_shouted

How = Literal["as_asked", "instead", "pronoun", "about"]

SHORT = 14
"""Width of a question that may leave out what it is about: a Chinese character counts 1, a word 2."""

ALONE = 6
"""Width of what a question with a pronoun says besides, from which it may be none that follows."""

MOST = 60
"""Words of a question that are looked at for what it is about."""

ARTICLES = {"the", "a", "an"}

_UNIT = re.compile(r"[\u3005-\u3007\u3041-\u30ff\u3400-\u9fff]|[^\W\u3005-\u3007\u3041-\u30ff\u3400-\u9fff]+")
_WIDE = re.compile(r"[\u3005-\u3007\u3041-\u30ff\u3400-\u9fff]")
_INSTEAD = (
    re.compile(r"(?:那么|那|还有)?[，,\s]*(?P<thing>.{1,30}?)[呢嘞][？?！!。\s]*"),
    re.compile(r"(?:(?:and\s+)?(?:what|how)\s+about|and)\s+(?P<thing>[^?]{1,60}?)\s*\?*", re.IGNORECASE),
)
_PRONOUNS = re.compile(
    r"(?<![其吉维耳排利犹])[它他她](?![人汀山克达])们?的?|(?<![耳尤极与何米卡马])(?<!各司)其(?![他中实余它次间妙乐])|"
    r"(?<![应本理活不就都也还又早总只才我你您们谁人])该(?![不当怎如去由找带做办]|$)"
)
"""None within 土耳其, 尤其, 维他命, 马耳他, 他汀, and no 该 that says what ought to be."""
_WITHIN = re.compile(r"(?<=[\u3400-\u9fff])[其他该](?![们的])")
"""Pronouns that may be a part of a word that is not known here."""
_ENGLISH = re.compile(r"\b(?:(?-i:it|It)|he|him|she|they|them)\b", re.IGNORECASE)
"""`IT` is a name."""
_IMPERSONAL = re.compile(r"\b[Ii]t\b[^.?!]*\bto (?!(?:the|an?|this|that|it|him|her|them|its|his|their)\b)[a-z]")
"""`What does it cost to park?`"""
_OWNED = re.compile(r"\b(?:its|his|her|their)\b", re.IGNORECASE)
_ASKS = (
    re.compile(rf"{ASKING}|是|(.)[不没]\1"),
    re.compile(
        r"\A(?:(?:in|on|at|to|for|by|with|from|of|until|till|since)\s+)?"
        r"(?:when|how|who|whom|whose|what|which|where|why|is|are|was|were|does|did)(?![\w-])"
    ),
    re.compile(r",\s*(?:when|how|what|why|is|are|was|were|does|did)(?![\w-])"),
    re.compile(
        r"\A(?:When|How|Whom|Whose|What|Which|Where|Why|Is|Are|Was|Were|Does|Did|Who(?=\s[a-z])"
        r"|do|can|could|should|would|will|may|must|has|have|had|if)\s"
    ),
)
"""What asks by itself: in English as it is written within a sentence, for `Who`, `Will` and `May` are names too."""
_TELLS = re.compile(r"[这那近好]几|[前后头]几(?!点)|(?:[要但若只可]|如果|\A还)是")
"""What looks like it: `近几年` and `要是周末` are other things."""
_SHOWN = re.compile(r"[这那][个座本家种位篇部些里]|\b(?:this|that|these|those|there)\b", re.IGNORECASE)
_TAIL = re.compile(r"(?:[生位建始成居用出源起]于|[在于是的有和与被由从到了为对把])+$")


@dataclass(frozen=True)
class Turn:
    """A question that was answered: as it was read, and what it was about (empty where that is not known)."""

    question: str
    subject: str = ""


@dataclass(frozen=True)
class Reading:
    """A way to read a question, and how it came about."""

    text: str
    how: How = "as_asked"


def readings(question: str, before: Turn | None) -> list[Reading]:
    """The ways to read a question, the likeliest first; more than one where it may follow another."""
    plain = Reading(question)
    if before is None or not before.question.strip():
        return [plain]
    subject, found = before.subject.strip(), []
    thing = next((match["thing"].strip() for each in _INSTEAD if (match := each.fullmatch(question.strip()))), None)
    said = f"{thing}{'？' if _WIDE.search(thing) else '?'}" if thing else question
    said = said.lower() if is_shouted(question) else said
    asks = thing is None or _pronoun(said) or any(each.search(_TELLS.sub(" ", said)) for each in _ASKS)
    if thing and not asks and subject and subject in before.question:
        found.append(Reading(before.question.replace(subject, thing, 1), "instead"))
    elif thing and not asks:
        found.append(Reading(f"{before.question} {thing}", "about"))
    elif subject and (named := _named(said, subject)) != said:
        found.append(Reading(named, "pronoun"))
    elif _width(said) <= SHORT or _SHOWN.search(said) or _pronoun(said):
        found.append(Reading(f"{subject or before.question} {said}", "about"))
    return [each for each in found if len(each.text) <= LONGEST] + [plain]


def may_stand_alone(question: str) -> bool:
    """Whether a question with a pronoun may be asked of something else than what was asked of before."""
    said = content(_PRONOUNS.sub(" ", question))
    return _width(said) >= ALONE or any(each.search(question) for each in (_IMPERSONAL, _WITHIN))


def subject_of(question: str, title: str, passage: str) -> str:
    """What a question was about, in its own words; empty where the passage shares too little with it."""
    asked = list(_UNIT.finditer(question))[:MOST]
    words = [match.group().lower() for match in asked]
    for text in (title, passage):  # what a document is called says best what it is about
        there = f" {' '.join(match.group().lower() for match in _UNIT.finditer(text))} "
        best, first = "", 0
        while first < len(words):
            last = first
            while last < len(words) and f" {' '.join(words[first : last + 1])} " in there:
                last += 1
            if last > first:
                best = max(best, _trimmed(question[asked[first].start() : asked[last - 1].end()]), key=_width)
            first = max(last, first + 1)
        if _width(best) >= 2:
            return best
    return ""


def _named(question: str, subject: str) -> str:
    """The question with the subject in the place of a pronoun."""
    found = _PRONOUNS.search(question)
    if found:
        owned = "的" if found.group().endswith("的") or found.group() == "其" else ""
        return question[: found.start()] + subject + owned + question[found.end() :]
    for pattern, ending in ((_OWNED, "'s"), (_ENGLISH, "")):
        if found := pattern.search(question):
            return question[: found.start()] + subject + ending + question[found.end() :]
    return question


def _pronoun(question: str) -> bool:
    return any(each.search(question) for each in (_PRONOUNS, _ENGLISH, _OWNED))


def _trimmed(run: str) -> str:
    """A run of words without what leads on to others: `李白生于` is about `李白`, `北京的人口` about `北京`.

    Of words that say nothing themselves an article before it stays.
    """
    head = run.partition("的")[0]
    words = _TAIL.sub("", head if len(head) > 1 else run).split()
    while words and words[-1].lower() in FUNCTION:
        words.pop()
    while words and words[0].lower() in FUNCTION - ARTICLES:
        words.pop(0)
    while len(words) > 1 and words[1].lower() in FUNCTION:
        words.pop(0)
    return "" if all(each.lower() in FUNCTION for each in words) else " ".join(words)


def _width(text: str) -> int:
    """Words that say something count 2, Chinese characters 1."""
    return sum(1 if _WIDE.match(each) else 2 for each in _UNIT.findall(text) if each.lower() not in ARTICLES)
