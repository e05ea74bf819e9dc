"""What is refused and told, in Chinese: sentences are written in English, and read in the language of who reads.

The code raises English sentences, which are logged, searched for and pasted, and tells what it does in such ones.
`locale/zh/sentences.json` has the form of each, with `{0}`, `{1}` where values stand, and the same in Chinese. A
sentence is known by its form: values stay as they are, but for those that are pieces of a sentence themselves.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property, lru_cache
from pathlib import Path

_CATALOGUE = Path(__file__).parent / "locale" / "zh" / "sentences.json"

_LONGEST = 2000
"""Characters: a longer sentence carries data rather than words, and stays English."""

_KEPT = 4096
"""Sentences whose Chinese is kept, as pages ask for the same ones at each poll; of the longest these are some 30 MB."""

_DEEPEST = 4
"""Sentences within sentences."""

_FIELD = re.compile(r"\{(\d+)\}")

_JOINED = 4
"""Times that a joint is tried as one."""

_LOOKUPS = 60
"""Texts that are looked up for one refusal; an ordinary one takes 3 to 20."""

_SHARE = 0.25
"""Forms that say less than this share of the best so far are not looked at; their values may hold the rest."""

_SLIGHT = 9
"""Characters of a form, as of `line {0}`, below which a number in its first place stands there alone."""

_JOINTS = (": ", "; ", ", or: ", ", ")
"""Where a sentence is put together of others, the strongest first."""


@dataclass(frozen=True)
class Form:
    """A sentence without its values: the texts between them, and what it is in the other language."""

    pieces: tuple[str, ...]
    chinese: str

    @cached_property
    def weight(self) -> int:
        """Characters that are its own; of two forms that fit, the one that says more is meant."""
        return sum(map(len, self.pieces))

    def values(self, sentence: str) -> tuple[str, ...] | None:
        """What stands in the places of a sentence of this form, or None where it is of another."""
        start = 0
        for piece in self.pieces:
            at = sentence.find(piece, start)
            if at < 0:
                return None
            start = at + len(piece)
        found = self._pattern.fullmatch(sentence)
        given = found.groups() if found else None
        place = given[0] if given and self.weight < _SLIGHT else ""
        return None if place[:1].isdigit() and " " in place else given

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        first, *others = map(re.escape, self.pieces)
        text = first
        for before, piece in zip(self.pieces, others, strict=False):
            # of two values without a text between them the second is a piece of a sentence, or nothing
            text += ("(.*?)" if before or text == "" else "((?:[;, (].*?)?)") + piece
        return re.compile(text, re.DOTALL)

    def filled(self, values: tuple[str, ...]) -> str:
        """The sentence in Chinese, with these values."""
        text = _FIELD.sub(lambda field: values[int(field[1])], self.chinese.replace("{{", "\0").replace("}}", "\1"))
        return text.replace("\0", "{").replace("\1", "}")

    def is_quoted(self, place: int) -> bool:
        """Whether a value stands between quotes, so that it is somebody's text and no piece of the sentence."""
        return self.pieces[place].endswith(("'", '"', "`")) and self.pieces[place + 1].startswith(("'", '"', "`"))


def in_language(sentence: str, language: str) -> str | None:
    """A sentence in another language than English, or None where it is not known in it.

    Lines are looked up apart. What stands before the first known piece, such as a file and a line, is left as it is.
    """
    return _in_chinese(sentence) if language == "zh" and len(sentence) <= _LONGEST else None


@lru_cache(_KEPT)
def _in_chinese(sentence: str) -> str | None:
    reader = _Reader()
    lines = [reader.told(line) for line in sentence.split("\n")]
    return "\n".join(line.text for line in lines) if any(line.weight for line in lines) else None


@dataclass(frozen=True)
class _Told:
    """A text in Chinese, and how many characters of the English one are known sentences."""

    text: str
    weight: int


class _Reader:
    """Reads one sentence; what would take long, as texts of users may be made to, is left in English."""

    def __init__(self) -> None:
        self._left = _LOOKUPS
        self._known: dict[str, _Told] = {}

    def told(self, sentence: str, depth: int = 0) -> _Told:
        """A sentence by its form, or by those of its parts, whichever knows more; itself where nothing is known."""
        best = self._by_form(sentence, depth)
        for joint in _JOINTS if depth < _DEEPEST else ():
            if best.weight:
                break
            for at in _places(sentence, joint):
                best = max(best, self._joined(sentence, joint, at, depth), key=_weight)
        if depth == 0 and (at := sentence.find(": ")) > 0:  # a file, a key before what is the whole sentence elsewhere
            best = max(best, self._joined(sentence, ": ", at, depth), key=_weight)
        return best

    def _joined(self, sentence: str, joint: str, at: int, depth: int) -> _Told:
        head = self._by_form(sentence[:at], depth + 1)
        rest = self.told(sentence[at + len(joint) :], depth + 1)
        return _Told(f"{head.text}{joint}{rest.text}", head.weight + rest.weight)

    def _by_form(self, sentence: str, depth: int) -> _Told:
        if sentence in self._known:
            return self._known[sentence]
        if self._left <= 0:
            return _Told(sentence, 0)
        self._left -= 1
        best = _Told(sentence, 0)
        for form in _forms():
            if best.weight and form.weight < _SHARE * best.weight:
                break
            if (values := form.values(sentence)) is not None:
                told = [self._value(form, place, value, depth) for place, value in enumerate(values)]
                weight = form.weight + sum(each.weight for each in told)
                if weight > best.weight:
                    best = _Told(form.filled(tuple(each.text for each in told)), weight)
        self._known[sentence] = best
        return best

    def _value(self, form: Form, place: int, value: str, depth: int) -> _Told:
        """A value of a sentence, which is one itself only where it has several words and no quotes around it."""
        if form.is_quoted(place) or " " not in value or depth >= _DEEPEST:
            return _Told(value, 0)
        return self.told(value, depth + 1)


def _weight(told: _Told) -> int:
    return told.weight


def _places(sentence: str, joint: str) -> Iterator[int]:
    """Where a joint stands, the first few times."""
    at = sentence.find(joint)
    for _ in range(_JOINED):
        if at < 0:
            return
        yield at
        at = sentence.find(joint, at + 1)


@cache
def _forms() -> list[Form]:
    """All forms, those that say most first; fields stand in English in the order of their numbers."""
    written: dict[str, str] = json.loads(_CATALOGUE.read_text(encoding="utf-8"))
    forms = [Form(_pieces(english), chinese) for english, chinese in written.items()]
    return sorted(forms, key=lambda form: -form.weight)


def _pieces(form: str) -> tuple[str, ...]:
    return tuple(piece.replace("{{", "{").replace("}}", "}") for piece in _FIELD.split(form)[::2])
