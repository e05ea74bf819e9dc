"""What a prompt may ask for: a label of the verbalizer, one of the choices of a record, or a piece of its text.

All three are words whose likelihood is compared; they differ in where the words come from, and what the answer is.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.characters.word_cutting import word_borders
from danlu.data.labels import known_label
from danlu.data.record import Record
from danlu.recipe.part import find
from danlu.refusal import Refusal
from danlu.task.choices import CHOICES, answer_in, asked_in, reading_of
from danlu.task.columns import label_in, text_in
from danlu.task.questions import right_answers
from danlu.task.task import Prediction, Task
from danlu.text.prompting.template import CHOICE, EXCERPT, LABEL, PromptTemplate, words_of

Shares = NDArray[np.float64]
TOLD = 5  # excerpts that a prediction names


class Form(ABC):
    """What one template asks for.

    - `task`: whose records these are, which says how answers are judged.
    """

    def __init__(self, template: PromptTemplate, records: Sequence[Record]) -> None:
        """For `records`, which are to be answered or shown.

        Raises:
            Refusal: one has no answer of this form.
        """
        self.template = template

    task: Task

    @abstractmethod
    def truth(self, record: Record, number: int) -> Record:
        """The record with its truth as the task reads it; `number` counts from 0.

        Raises:
            Refusal: there is none.
        """

    @abstractmethod
    def words(self, record: Record, number: int) -> tuple[str, ...]:
        """What may be the answer of a record."""

    def offers(self, words: Sequence[str], record: Record, number: int) -> bool:
        """Whether the truth of a record is among the words."""
        return True

    def groups(self, words: Sequence[str]) -> tuple[range, ...]:
        """Of each answer, which of the words are its own."""
        return tuple(range(number, number + 1) for number in range(len(words)))

    def names(self, words: Sequence[str]) -> tuple[str, ...]:
        """How each answer is called."""
        return tuple(map(str, range(len(words))))

    @abstractmethod
    def shown(self, record: Record, number: int) -> tuple[str, str]:
        """The answer of an example as a name, by which examples are balanced, and as a word."""

    @abstractmethod
    def prediction(self, record: Record, words: Sequence[str], shares_L: Shares) -> Prediction:
        """What is predicted where the answers have these shares."""

    @abstractmethod
    def right(self, place: int, words: Sequence[str], gold: Any) -> bool:
        """Whether the answer at a place is the truth."""


class OfLabels(Form):
    """A label, by its words."""

    def __init__(self, template: PromptTemplate, records: Sequence[Record]) -> None:
        super().__init__(template, records)
        self.task = find(Task, "classify")(labels=template.labels)  # type: ignore[type-abstract, call-arg]

    def truth(self, record: Record, number: int) -> Record:
        """See `Form.truth`; the label is spelled as the template does."""
        return record | {"label": self._label(record, number)}

    def words(self, record: Record, number: int) -> tuple[str, ...]:
        """The words of all labels."""
        return self.template.words

    def groups(self, words: Sequence[str]) -> tuple[range, ...]:
        """See `Form.groups`."""
        return self.template.of_labels

    def names(self, words: Sequence[str]) -> tuple[str, ...]:
        """The labels."""
        return self.template.labels

    def shown(self, record: Record, number: int) -> tuple[str, str]:
        """The label, and of several words the first."""
        label = self._label(record, number)
        return label, words_of(self.template.verbalizer[label])[0]

    def prediction(self, record: Record, words: Sequence[str], shares_L: Shares) -> Prediction:
        """`{"label", "scores"}`."""
        labels = self.template.labels
        return {
            "label": labels[int(shares_L.argmax())],
            "scores": dict(zip(labels, map(float, shares_L), strict=True)),
        }

    def right(self, place: int, words: Sequence[str], gold: Any) -> bool:
        """See `Form.right`."""
        return bool(self.template.labels[place] == gold)

    def _label(self, record: Record, number: int) -> str:
        template = self.template
        found = label_in(record, number, template.answer_column)
        known = known_label(found, template.labels)
        if known is None:
            raise Refusal(
                f"record {number + 1:,}: the label '{found}' is not among those of the template's verbalizer "
                f"({', '.join(template.labels[:20])}); give it a word there, or mend the record"
            )
        return known


class OfChoices(Form):
    """One of the texts that a record offers, as the task `choose` reads them."""

    def __init__(self, template: PromptTemplate, records: Sequence[Record]) -> None:
        super().__init__(template, records)
        reading = reading_of([self._plain(record) for record in records]) if records else None
        self.task = find(Task, "choose")(answer_is=reading)  # type: ignore[type-abstract, call-arg]

    def truth(self, record: Record, number: int) -> Record:
        """See `Form.truth`."""
        plain = self._plain(record)
        self.task.gold(plain, number)
        return plain

    def words(self, record: Record, number: int) -> tuple[str, ...]:
        """The choices."""
        return asked_in(self._plain(record), number).choices

    def shown(self, record: Record, number: int) -> tuple[str, str]:
        """The right choice."""
        plain = self._plain(record)
        return "", self.words(plain, number)[answer_in(plain, number, self.task.answer_is)]  # type: ignore[attr-defined]

    def prediction(self, record: Record, words: Sequence[str], shares_L: Shares) -> Prediction:
        """`{"choice", "option", "scores"}`."""
        choice = int(shares_L.argmax())
        return {"choice": choice, "option": words[choice], "scores": shares_L.tolist()}

    def right(self, place: int, words: Sequence[str], gold: Any) -> bool:
        """See `Form.right`."""
        return bool(place == gold)

    def _plain(self, record: Record) -> Record:
        """The record with the columns that the task reads; a text that no slot names may be missing."""
        column = self.template.answer_column
        found = record if record.get("text") is not None else {**record, "text": ""}
        return found | {CHOICES: record[column]} if column in record else found


class OfExcerpts(Form):
    """A piece of the text of a record: some words that stand in a row."""

    def __init__(self, template: PromptTemplate, records: Sequence[Record]) -> None:
        super().__init__(template, records)
        self.task = find(Task, "answer")()  # type: ignore[type-abstract]

    def truth(self, record: Record, number: int) -> Record:
        """See `Form.truth`; without an answer there is nothing that could be chosen."""
        if not right_answers(record, number):
            raise Refusal(
                f"record {number + 1:,}: has no answer, and a prompt always gives one; leave such records out"
            )
        return record

    def words(self, record: Record, number: int) -> tuple[str, ...]:
        """All pieces of the text that are not too long, each once, from its beginning on."""
        found = tuple(self._starts(text_in(record, number, self.template.answer_column)[: self.template.longest]))
        if not found:
            raise Refusal(f"record {number + 1:,}: column '{self.template.answer_column}' has no word; give a text")
        return found

    def offers(self, words: Sequence[str], record: Record, number: int) -> bool:
        """See `Form.offers`; a right answer may be longer than pieces are, or stand where no text is read."""
        return any(str(answer["text"]) in words for answer in right_answers(record, number))

    def shown(self, record: Record, number: int) -> tuple[str, str]:
        """The first of the right answers."""
        self.truth(record, number)
        return "", str(right_answers(record, number)[0]["text"])

    def prediction(self, record: Record, words: Sequence[str], shares_L: Shares) -> Prediction:
        """`{"text", "start", "end", "score", "answers"}`, of equal pieces the first one."""
        context = str(record[self.template.answer_column])[: self.template.longest]
        best = np.argsort(-shares_L, kind="stable")[:TOLD].tolist()
        answers, starts = [], self._starts(context)
        for place in best:
            start = starts[words[place]]
            told = {"text": words[place], "start": start, "end": start + len(words[place])}
            answers.append({**told, "score": float(shares_L[place])})
        return {**answers[0], "answers": answers}

    def right(self, place: int, words: Sequence[str], gold: Any) -> bool:
        """See `Form.right`."""
        return words[place] in gold

    def _starts(self, context: str) -> dict[str, int]:
        """Each piece that is not too long, and where the first of its kind begins."""
        (borders,) = word_borders([context], "character")
        found: dict[str, int] = {}
        for first, (start, _) in enumerate(borders):
            for _, end in borders[first : first + self.template.longest_excerpt]:
                found.setdefault(context[start:end], start)
        return found


FORMS: dict[str, type[Form]] = {LABEL: OfLabels, CHOICE: OfChoices, EXCERPT: OfExcerpts}
"""By the slot of the answer."""


def form_of(template: PromptTemplate, records: Sequence[Record]) -> Form:
    """What a template asks for of some records.

    Raises:
        Refusal: a record has no answer of this form.
    """
    return FORMS[template.asks](template, records)
