"""What a text is to be: what somebody asks of a writer."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, FailFast, Field, ValidationError, field_validator

from danlu.data.characters.languages import Language, language_of
from danlu.model.must_have import Unit
from danlu.recipe.read import Written, sentences
from danlu.refusal import Refusal

MOST = 16
"""Drafts, words and keywords that are taken at once."""
LONGEST = {"keyword": 60, "word": 60, "line of the outline": 500, "style": 500, "tone": 60}
"""Characters of each."""
LENGTHS: dict[Language, tuple[int, int]] = {"zh": (20, 120), "en": (10, 60)}
"""How long a text is where nobody says it: characters in Chinese, words in English."""
FURTHEST = 4000
"""Units that may be asked for."""


Texts = Annotated[list[str], FailFast()]


class Wish(BaseModel):
    """What a text is to be; white space around what is given says nothing, nor does a word that is given twice.

    One of keywords, outline, style and words is needed at least.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    keywords: Texts = Field(default=[], description="what the text is about")
    outline: Texts = Field(default=[], description="what it says, in order")
    style: str = Field(default="", description="how it reads, in words")
    tone: str = Field(default="", description="judged where a bundle judges tones; else the model reads it alone")
    words: Texts = Field(default=[], description="must stand in the text, all of them")
    at_least: int | None = Field(default=None, ge=0, description="characters in Chinese, words in English")
    at_most: int | None = Field(default=None, ge=1, description="the same, at most")
    language: Language | None = Field(default=None, description="None: as what is asked is written")
    drafts: int = Field(default=4, ge=1, le=MOST)
    temperature: float = Field(default=0.8, ge=0, le=2, description="0: the likeliest draft alone, whatever the seed")
    seed: int = Field(default=0, ge=0, description="with another one, other drafts")

    @field_validator("keywords", "outline", "words")
    @classmethod
    def _each_once(cls, texts: list[str]) -> list[str]:
        return list(dict.fromkeys(text.strip() for text in texts))

    @field_validator("style", "tone")
    @classmethod
    def _stripped(cls, text: str) -> str:
        return text.strip()

    @property
    def spoken(self) -> Language:
        """The language of the text, which is that of what is asked where nobody says it."""
        return self.language or language_of("\n".join([*self.keywords, *self.outline, *self.words, self.style]))

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

    def checked(self) -> Self:
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
        low, high = self.bounds
        if not 0 <= low <= high:
            raise Refusal(f"the text is to have at least {low:,} {self.unit} and at most {high:,}; expected no less")
        if high > FURTHEST:
            raise Refusal(f"the text is to have {high:,} {self.unit}; at most {FURTHEST:,} can be asked for")
        return self


def wish_of(**given: Any) -> Wish:
    """A wish of what somebody has typed. Raises `Refusal` for one that cannot be, or says nothing, or too much."""
    try:
        return Wish.model_validate(given).checked()
    except ValidationError as error:
        raise Refusal(sentences(error, Written("wish", given))) from None


def _refuse_long(name: str, texts: Sequence[str]) -> None:
    if len(texts) > MOST and name != "style":
        raise Refusal(f"{len(texts):,} are given of '{name}'; at most {MOST} are taken")
    for text in texts:
        if len(text) > LONGEST[name]:
            raise Refusal(f"a {name} has {len(text):,} characters; at most {LONGEST[name]} are taken")
        if not text.strip() and name not in ("style", "tone"):
            raise Refusal(f"a {name} is empty; leave it out")
