"""What a text is to be: what somebody asks of a writer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from danlu.data.characters.scripts import HAN, KANA, UNSPACED, kinds_of
from danlu.data.characters.side_by_side import code_points
from danlu.model.must_have import Unit
from danlu.refusal import Refusal

Language = Literal["en", "zh"]

MOST = 16
"""Drafts, words and keywords that are taken at once."""
LONGEST = {"keyword": 60, "word": 60, "line of the outline": 500, "style": 500, "tone": 60}
"""Characters of each."""
LENGTHS: dict[Language, tuple[int, int]] = {"zh": (20, 120), "en": (10, 60)}
"""How long a text is where nobody says it: characters in Chinese, words in English."""
FURTHEST = 4000
"""Units that may be asked for."""


@dataclass(frozen=True)
class Wish:
    """What a text is to be; white space around what is given says nothing, nor does a word that is given twice.

    - `keywords`, `outline`, `style`, `tone`: what the model reads; `tone` is judged too, where a bundle judges tones.
    - `words`: must stand in the text, all of them.
    - `at_least`, `at_most`: characters in Chinese, words in English.
    - `drafts`: how many are wanted; `temperature`: 0 gives the likeliest one, whatever the seed.
    """

    keywords: tuple[str, ...] = ()
    outline: tuple[str, ...] = ()
    style: str = ""
    tone: str = ""
    words: tuple[str, ...] = ()
    at_least: int | None = None
    at_most: int | None = None
    language: Language | None = None
    drafts: int = 4
    temperature: float = 0.8
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("keywords", "outline", "words"):
            object.__setattr__(self, name, tuple(dict.fromkeys(text.strip() for text in getattr(self, name))))
        for name in ("style", "tone"):
            object.__setattr__(self, name, getattr(self, name).strip())

    @property
    def spoken(self) -> Language:
        """The language of the text, which is that of what is asked where nobody says it."""
        return self.language or language_of([*self.keywords, *self.outline, *self.words, self.style])

    @property
    def unit(self) -> Unit:
        """What its length is counted in."""
        return "characters" if self.spoken == "zh" else "words"

    @property
    def bounds(self) -> tuple[int, int]:
        """How long it is at least, and at most."""
        low, high = LENGTHS[self.spoken]
        if self.at_most is not None:
            return (min(low, self.at_most // 2) if self.at_least is None else self.at_least), self.at_most
        low = low if self.at_least is None else self.at_least
        return low, max(high, 2 * low)

    def checked(self) -> "Wish":
        """This wish. Raises `Refusal` for one that says nothing, or too much."""
        if not (self.keywords or self.outline or self.style or self.words):
            raise Refusal("nothing is asked for; give keywords, an outline, a style or words that the text must have")
        parts = {
            "keyword": self.keywords,
            "word": self.words,
            "line of the outline": self.outline,
            "style": (self.style,),
            "tone": (self.tone,),
        }
        for name, texts in parts.items():
            _refuse_long(name, texts)
        if not 1 <= self.drafts <= MOST:
            raise Refusal(f"{self.drafts:,} drafts are asked for; expected 1 to {MOST}")
        low, high = self.bounds
        if not 0 <= low <= high:
            raise Refusal(f"the text is to have at least {low:,} {self.unit} and at most {high:,}; expected no less")
        if high > FURTHEST:
            raise Refusal(f"the text is to have {high:,} {self.unit}; at most {FURTHEST:,} can be asked for")
        return self


def language_of(texts: Sequence[str]) -> Language:
    """Chinese where any text has characters of scripts without spaces, else English."""
    kinds = kinds_of(code_points("".join(texts)))
    return "zh" if any((kinds == kind).any() for kind in (HAN, KANA, UNSPACED)) else "en"


def _refuse_long(name: str, texts: Sequence[str]) -> None:
    if len(texts) > MOST and name != "style":
        raise Refusal(f"{len(texts):,} are given of '{name}'; at most {MOST} are taken")
    for text in texts:
        if len(text) > LONGEST[name]:
            raise Refusal(f"a {name} has {len(text):,} characters; at most {LONGEST[name]} are taken")
        if not text.strip() and name not in ("style", "tone"):
            raise Refusal(f"a {name} is empty; leave it out")
