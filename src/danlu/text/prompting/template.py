r"""A prompt as a file: a text with slots, the word of each label, and how examples stand before it.

    text: "Review: {text}\nIt was {label}."
    verbalizer: {positive: great, negative: terrible}
    shots: 4

The words stand for labels as in Schick and Schuetze (2021), the examples are shown as in Brown et al. (2020).
"""

from collections.abc import Mapping
from itertools import accumulate, pairwise
from math import isfinite
from pathlib import Path
from string import Formatter
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from danlu.data.labels import is_empty, label_of, trimmed
from danlu.data.record import Record
from danlu.recipe.part import Part, nearest
from danlu.recipe.read import sentences, written_file
from danlu.refusal import Refusal
from danlu.text.dialogue.template import Template

LABEL, CHOICE, EXCERPT = "label", "choice", "excerpt"
ANSWERS = {LABEL: "label", CHOICE: "choices", EXCERPT: "context"}
"""The slots of an answer, and the column that each is about where 'slots' says nothing: the truth, the choices that a
record offers, the text of which a piece is the answer."""

NOTE = "write '{{' and '}}' for brackets that are text"


Words = dict[str, str | tuple[str, ...]]
"""Of each label its word, or several."""


def _labels(value: Any) -> Any:
    """Labels as YAML may read them, numbers too, as texts; words likewise."""
    if not isinstance(value, Mapping):
        return value
    seen: dict[str, Any] = {}
    for given in value:
        other = seen.setdefault(label_of(given) or "", given)
        if other is not given:
            raise ValueError(f"{other!r} and {given!r} are one label; write it once, with a list of its words")
    return {
        label_of(label) or "": tuple(map(_word, words)) if isinstance(words, list | tuple) else _word(words)
        for label, words in value.items()
    }


def _word(value: Any) -> Any:
    return value if isinstance(value, str) else label_of(value)


def _different_words(verbalizer: Words) -> Words:
    if len(verbalizer) < 2:
        raise ValueError("a prompt chooses between two labels or more; write the word of each, as LABEL: WORD")
    owners: dict[str, str] = {}
    for label, given in verbalizer.items():
        words = words_of(given)
        if not words:
            raise ValueError(f"the label '{label}' has an empty list of words; write one word or more")
        for word in words:
            if is_empty(label) or is_empty(word):
                raise ValueError(f"the label '{label}' has the word '{word}'; both must be texts that are not empty")
            other = owners.get(trimmed(word))
            if other == label:
                raise ValueError(f"the label '{label}' has the word '{trimmed(word)}' twice; write it once")
            if other is not None:
                raise ValueError(
                    f"the labels '{other}' and '{label}' have the same word '{trimmed(word)}', so no answer could tell "
                    "them apart; give each a word of its own"
                )
            owners[trimmed(word)] = label
    return verbalizer


def words_of(given: str | tuple[str, ...]) -> tuple[str, ...]:
    """The words of a label, of which a verbalizer may give one alone."""
    return (given,) if isinstance(given, str) else given


def _own(value: Any) -> Any:
    """The tokenizer's own template of conversations for true, none for false."""
    return {True: "own", False: None}[value] if isinstance(value, bool) else value


def _well_formed(text: str | None) -> str | None:
    if text is not None and sum(slot in ANSWERS for slot in slots_in(text)) != 1:
        raise ValueError(
            f"must hold {{{LABEL}}} once, where the word of the label is to stand, or {{{CHOICE}}} or {{{EXCERPT}}}"
        )
    return text


def pieces(text: str) -> list[tuple[str, str | None]]:
    """What a text with slots is made of: literal text, each time with the slot behind it; None behind the last."""
    try:
        found = [(literal, name, spec, how) for literal, name, spec, how in Formatter().parse(text)]
    except ValueError as error:
        raise PydanticCustomError("slots", "{error}; {note}", {"error": str(error), "note": NOTE}) from None
    for _, name, spec, how in found:
        if name is not None and (spec or how or not name.isidentifier()):
            raise PydanticCustomError(
                "slots",
                "'{slot}' is no slot; a slot is the name of a column in brackets, as {example}; {note}",
                {"slot": f"{{{name}{':' + spec if spec else ''}}}", "example": "{text}", "note": NOTE},
            )
    return [(literal, name) for literal, name, _, _ in found]


def slots_in(text: str) -> list[str]:
    """The names of the slots of a text, in order."""
    return [name for _, name in pieces(text) if name is not None]


class PromptTemplate(Part):
    """How a record is put to a language model, and which word stands for which label."""

    text: Annotated[str, AfterValidator(_well_formed)] = Field(
        description="what the model reads, with slots: {label}, {choice} or {excerpt} for the answer, else of columns"
    )
    verbalizer: Annotated[Words, BeforeValidator(_labels), AfterValidator(_different_words)] = Field(
        default={}, description="label: the word that stands for it, or a list of some"
    )
    longest_excerpt: int = Field(
        default=8, ge=1, le=64, description="words of an excerpt at most, a Chinese character being one"
    )
    several: Literal["mean", "sum"] = Field(
        default="mean", description="what the probabilities of the words of one label are together"
    )
    slots: dict[str, str] = Field(default={}, description="slot: the column of the data, where their names differ")
    instruction: str = Field(default="", description="what stands before everything else, once")
    shots: int = Field(
        default=0, ge=0, le=1000, description="examples with their labels that are shown before the text"
    )
    choose: Literal["random", "balanced", "similar"] = Field(
        default="balanced",
        description="which examples; balanced: of each label as many; similar: those that are most like the text",
    )
    vectors: str | None = Field(
        default=None, description="bundle of the task embed that says which texts are similar; None: TF-IDF does"
    )
    example: Annotated[str | None, AfterValidator(_well_formed)] = Field(
        default=None, description="how an example is written; None: as the text"
    )
    between: str = Field(default="\n\n", description="what stands between instruction, examples and the text")
    chat: Annotated[Template | None, BeforeValidator(_own, json_schema_input_type=Template | bool | None)] = Field(
        default=None,
        description="the prompt is what a user says, the word begins the answer: true, or a template of conversations",
    )
    seed: int = Field(default=0, ge=0, description="which examples, and in which order")
    divide_by: Literal["tokens", "characters", "nothing"] = Field(
        default="tokens", description="length of a word by which its log-likelihood is divided"
    )
    calibrate: bool = Field(
        default=True, description="divide by what the model answers where there is no text (Zhao et al., 2021)"
    )
    content_free: tuple[str, ...] = Field(
        default=("N/A", ""), min_length=1, description="what stands in the slots then; the mean of several"
    )
    longest: int | None = Field(
        default=None, ge=1, description="characters of a slot's text that are read; None: all, and too many are refused"
    )

    @model_validator(mode="after")
    def _slots_are_used(self) -> Self:
        if self.asks == LABEL and not self.verbalizer:
            raise ValueError(f"'verbalizer' is needed for {{{LABEL}}}: the word of each label, as LABEL: WORD")
        if self.asks != LABEL and self.verbalizer:
            raise ValueError(f"'verbalizer' is for {{{LABEL}}}, and the text asks for {{{self.asks}}}; leave it out")
        for name, slot in (("several", LABEL), ("longest_excerpt", EXCERPT)):
            if self.asks != slot and getattr(self, name) != type(self).model_fields[name].default:
                raise ValueError(f"'{name}' has an effect where the text asks for {{{slot}}} alone; leave it out")
        if not self.columns:
            raise ValueError(
                f"'text' has no slot but {{{self.asks}}}, so every record would get one answer; add {{text}}"
            )
        if self.vectors is not None and self.choose != "similar":
            raise ValueError(
                "'vectors' has an effect under 'choose: similar' alone; write that, or leave 'vectors' out"
            )
        used = [*slots_in(self.text), *slots_in(self.example or "")]
        for slot in self.slots:
            if slot not in used:
                raise ValueError(
                    f"'slots' names '{slot}', which the text does not use{nearest(slot, used)}; use {{{slot}}} in the "
                    "text, or leave it out of 'slots'"
                )
        strange = [slot for slot in slots_in(self.example or "") if slot not in slots_in(self.text)]
        if strange:
            raise ValueError(
                f"'example' has the slot {{{strange[0]}}}, which 'text' has not; use the same slots in both"
            )
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels, in the order of the file; none where no label is asked for."""
        return tuple(self.verbalizer)

    @property
    def words(self) -> tuple[str, ...]:
        """The words of all labels, one after the other."""
        return tuple(word for given in self.verbalizer.values() for word in words_of(given))

    @property
    def of_labels(self) -> tuple[range, ...]:
        """Of each label, which of these words are its own."""
        ends = accumulate(len(words_of(given)) for given in self.verbalizer.values())
        return tuple(range(start, end) for start, end in pairwise([0, *ends]))

    @property
    def columns(self) -> dict[str, str]:
        """Slot: column of the data, of all slots but the label's."""
        return {slot: self.slots.get(slot, slot) for slot in slots_in(self.text) if slot != self.asks}

    @property
    def asks(self) -> str:
        """The slot of the answer."""
        return next(slot for slot in slots_in(self.text) if slot in ANSWERS)

    @property
    def answer_column(self) -> str:
        """The column that the slot of the answer is about."""
        return self.slots.get(self.asks, ANSWERS[self.asks])

    def length(self, tokens: int, characters: int) -> int:
        """The length by which the log-likelihood of a word is divided."""
        return {"tokens": tokens, "characters": characters, "nothing": 1}[self.divide_by]

    def values(self, record: Record, where: str) -> dict[str, str]:
        """What stands in the slots for a record; `where` names it.

        Raises:
            Refusal: the record lacks a column, or it holds no text.
        """
        found = {}
        for slot, column in self.columns.items():
            if column not in record:
                there = ", ".join(f"'{name}'" for name in record) or "no column at all"
                raise Refusal(
                    f"{where}: there is no column '{column}' (text), only {there}{nearest(column, list(record))}; the "
                    f"slot {{{slot}}} of the template reads it: name another one under its 'slots', as {slot}: COLUMN"
                )
            value = record[column]
            if not isinstance(value, str | int | float) or isinstance(value, bool):
                raise Refusal(f"{where}: column '{column}' must be text, and it is of type {type(value).__name__}")
            if isinstance(value, float) and not isfinite(value):
                raise Refusal(f"{where}: column '{column}' holds {value}, which is no text; mend the record")
            found[slot] = str(value)[: self.longest]
        return found


def read_template(path: str | Path) -> PromptTemplate:
    """Read a template from its file.

    Raises:
        Refusal: there is no such file, it is no YAML, or a key of it is wrong; names file, line and key.
    """
    file = Path(path)
    if not file.is_file():
        raise Refusal(f"{path}: there is no such template; give the path of a YAML file with 'text' and 'verbalizer'")
    plain = written_file(file, "a template is a mapping with the keys 'text' and 'verbalizer'")
    try:
        return PromptTemplate.model_validate(plain.data)
    except ValidationError as error:
        raise Refusal(sentences(error, plain)) from error
