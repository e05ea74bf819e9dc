"""A template filled in: what stands before the answer, and behind it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from danlu.data.record import Record
from danlu.text.prompting.template import ANSWERS, LABEL, PromptTemplate, pieces


@dataclass(frozen=True)
class Filled:
    """What a model reads of one record.

    - `before`, `after`: the text on both sides of the answer.
    - `where`: how messages call it; two of the same text are equal whatever they are called.
    - `words`: what may be the answer.
    - `loose`: words that the tokenizer does not know, or does not tell apart, are asked for all the same.
    """

    before: str
    after: str
    where: str = field(default="", compare=False)
    words: tuple[str, ...] = ()
    loose: bool = False

    def whole(self, word: str) -> str:
        """The text with a word in the place of the answer."""
        return self.before + word + self.after


def filled(
    template: PromptTemplate,
    values: Mapping[str, str],
    shown: Sequence[str],
    where: str,
    words: tuple[str, ...] | None = None,
) -> Filled:
    """The template with values in its slots, behind the examples that are `shown`, each a text.

    `words` are what may be the answer; None: those of the labels.
    """
    first = [template.instruction] if template.instruction else []
    before, after = _sides(template.text, values)
    asked = template.words if words is None else words
    return Filled(template.between.join([*first, *shown, before]), after, where, asked, template.asks != LABEL)


def example(template: PromptTemplate, record: Record, word: str, where: str) -> str:
    """A record with its answer, as it is shown to the model."""
    before, after = _sides(template.example or template.text, template.values(record, where))
    return before + word + after


def content_free(template: PromptTemplate, shown: Sequence[str], words: tuple[str, ...] | None = None) -> list[Filled]:
    """The prompts of no text, behind the same examples; what the model answers to them is its prejudice."""
    return [
        filled(template, dict.fromkeys(template.columns, nothing), shown, f"the content-free input '{nothing}'", words)
        for nothing in template.content_free
    ]


def _sides(text: str, values: Mapping[str, str]) -> tuple[str, str]:
    sides = ["", ""]
    side = 0
    for literal, slot in pieces(text):
        sides[side] += literal
        if slot in ANSWERS:
            side = 1
        elif slot is not None:
            sides[side] += values[slot]
    return sides[0], sides[1]
