"""Words that a text must have, followed while it is written: which stand there, and how many tokens the others need.

A word is looked for in the text and not in its tokens, which may cut it anywhere, or be shared with what stands beside
it. Words of scripts with spaces stand by themselves ("art" is not in "start"), Chinese ones anywhere; a word in small
letters may begin with a capital.
"""

import codecs
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from danlu.model.token_bytes import TokenBytes, unfinished
from danlu.refusal import Refusal

Unit = Literal["characters", "words"]

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_LETTER = rf"[^\W_{_UNSPACED}\U00020000-\U0003347f]"
"""A letter or digit of a script that is written with spaces between words."""
_IS_LETTER = re.compile(_LETTER)
_Decoder = codecs.getincrementaldecoder("utf-8")
_SPACES = b" \t\n\r\x0b\x0c"
_WORD, _SPACE = re.compile(r"[^ \t\n\r\x0b\x0c]+"), re.compile(r"[ \t\n\r\x0b\x0c]+")
_MOST_BYTES = 4  # of one character


@dataclass(frozen=True)
class _Way:
    """The bytes that write a word, what they cost in tokens from each on, and where each byte stands among them.

    - `alone`: whether no letter may stand before them.
    """

    data: bytes
    costs: tuple[float, ...]
    places: dict[int, tuple[int, ...]]
    alone: bool


@dataclass(frozen=True)
class _Word:
    """One word: how it is found, whether a letter behind it spoils it, how it is written, and what that costs."""

    pattern: re.Pattern[str]
    spoils: bool
    ways: tuple[_Way, ...]
    tokens: int
    units: int


class Standing(NamedTuple):
    """What is known of a text under way.

    - `met`, `sure`: which words stand there, and which of them no letter can spoil any more, a bit a word.
    - `units`: how long it is; `least`: how long it is at least once the words that are missing have been written.
    - `need`: tokens by which these can be written, and a character that is not complete; nothing is missing at 0.
    - `open`: the bytes of that character.
    """

    text: bytes
    met: int
    sure: int
    units: int
    least: int
    need: float
    open: bytes


def pattern_of(word: str) -> re.Pattern[str]:
    """What finds a word in a text."""
    before = rf"(?<!{_LETTER})" if _IS_LETTER.match(word[0]) else ""
    after = rf"(?!{_LETTER})" if _IS_LETTER.match(word[-1]) else ""
    return re.compile(f"{before}(?:{'|'.join(map(re.escape, spellings(word)))}){after}")


def spellings(word: str) -> tuple[str, ...]:
    """A word as it may be written: in small letters also with a capital in front."""
    capital = word[0].upper() + word[1:]
    return (word, capital) if word == word.lower() and len(capital) == len(word) and capital != word else (word,)


def has(text: str, word: str) -> bool:
    """Whether a word stands in a text."""
    return bool(pattern_of(word).search(text))


def units_of(text: str, unit: Unit) -> int:
    """How long a text is: in characters that are no white space, or in words between white space."""
    return len(_WORD.findall(text) if unit == "words" else _SPACE.sub("", text))


class MustHave:
    """The words of one text, which is written after `before`."""

    def __init__(self, words: Sequence[str], pieces: TokenBytes, unit: Unit, before: str = "") -> None:
        """Raises `Refusal` for a word that no tokens write."""
        self.pieces = pieces
        self.unit: Unit = unit
        self.words = [self._word(word) for word in words]
        self.all = (1 << len(words)) - 1
        self._before = before[-1:]
        sizes = [len(way.data) for word in self.words for way in word.ways]
        self._tail = max(sizes, default=0) + 2 * _MOST_BYTES

    def begin(self) -> Standing:
        """Where a text stands of which nothing is written."""
        return self._told(b"", 0, 0, 0, b"")

    def after(self, standing: Standing, token: int) -> Standing | None:
        """Where it stands after one more token; None where its bytes are no text any more."""
        piece = self.pieces.of[token]
        left = unfinished(standing.open + piece) if standing.open else self.pieces.left[token]
        if left is None:
            return None
        text = standing.text + piece
        met = sure = standing.sure
        tail = text[-(self._tail + len(piece)) :]
        before = self._before if len(tail) == len(text) else ""
        plain = before + _Decoder("replace").decode(tail)  # without a character that is not complete yet
        for place, word in enumerate(self.words):
            if sure >> place & 1:
                continue
            for found in word.pattern.finditer(plain, len(before)):
                met |= 1 << place
                if found.end() < len(plain) or not word.spoils:
                    sure |= 1 << place
        return self._told(text, met, sure, standing.units + self._added(standing.text, piece), left)

    def options(self, standing: Standing) -> list[int]:
        """The tokens that begin a word that is missing, or go on with it, or with a character that is not complete."""
        found = dict.fromkeys(self._completing(standing.open))
        apart = self._apart(standing.text)
        for place, word in enumerate(self.words):
            for way in () if standing.met >> place & 1 else word.ways:
                starts = {self._under_way(standing.text, way)} | ({0} if apart or not way.alone else set())
                for start in starts - ({0} if not apart and way.alone else set()):
                    rest = self.pieces.beginning(way.data[start:])
                    found |= {token: None for token, size in rest if way.costs[start + size] < float("inf")}
        return list(found)

    def _told(self, text: bytes, met: int, sure: int, units: int, left: bytes) -> Standing:
        need = saved = 0.0
        least = base = units
        for place, word in enumerate(self.words):
            if met >> place & 1:
                continue
            need += word.tokens
            least += word.units
            for way in word.ways:
                done = self._under_way(text, way)
                if done and word.tokens - way.costs[done] > saved:
                    saved = word.tokens - way.costs[done]
                    base = units - self._added(text[: len(text) - done], way.data[:done])
        return Standing(
            text, met, sure, units, least - units + base, need - saved if saved else need + self._missing(left), left
        )

    def _missing(self, left: bytes) -> float:
        """Tokens that complete a character; infinite where there are none."""
        if not left:
            return 0.0
        size = 2 if left[0] < 0xE0 else 3 if left[0] < 0xF0 else 4
        return size - len(left) if self._completing(left) else float("inf")

    def _completing(self, left: bytes) -> list[int]:
        """The tokens of one byte that go on with a character."""
        return self.pieces.completing(left) if left else []

    def _added(self, before: bytes, piece: bytes) -> int:
        if self.unit == "characters":
            return sum(byte & 0xC0 != 0x80 and byte not in _SPACES for byte in piece)
        apart = not before[-1:] or before[-1] in _SPACES
        count = 0
        for byte in piece:
            space = byte in _SPACES
            count += apart and not space
            apart = space
        return count

    def _under_way(self, text: bytes, way: _Way) -> int:
        """How many bytes of a word the text ends with, at a place where it may begin; 0: none, or all."""
        for size in way.places.get(text[-1], ()) if text else ():
            if text.endswith(way.data[:size]) and not (way.alone and not self._apart(text[:-size])):
                return size
        return 0

    def _apart(self, text: bytes) -> bool:
        """Whether a letter that follows begins a word."""
        last = text[-_MOST_BYTES:].decode("utf-8", "ignore")[-1:] if text else self._before
        return not _IS_LETTER.match(last or " ")

    def _word(self, word: str) -> _Word:
        lettered = bool(_IS_LETTER.match(word[0]))
        texts = [(text, lettered) for text in spellings(word)]
        texts += [(f" {text}", False) for text in spellings(word) if lettered]
        ways = [way for text, alone in texts if (way := self._way(text.encode(), alone=alone)).costs[0] < float("inf")]
        anywhere = [int(way.costs[0]) for way in ways if not way.alone]
        if not anywhere:
            raise Refusal(
                f"policy.words: the tokens of this model cannot write '{word:.60}'; choose another word, or a model "
                "whose tokenizer knows its characters"
            )
        units = max(1, units_of(word, self.unit))
        return _Word(pattern_of(word), bool(_IS_LETTER.match(word[-1])), tuple(ways), min(anywhere), units)

    def _way(self, data: bytes, *, alone: bool) -> _Way:
        places: dict[int, tuple[int, ...]] = {}
        for size in range(len(data) - 1, 0, -1):
            places[data[size - 1]] = (*places.get(data[size - 1], ()), size)
        return _Way(data, self.pieces.costs(data), places, alone)
