"""The promise of an answer form: what a prediction says, and how it is compared, judged, written and shown.

A task names its form (`Task.answer_form`). Floors above ask the form, and never look into a prediction themselves.
"""

import json
from abc import abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, ClassVar, Literal

from danlu.answer.shown import Cell, Headings
from danlu.machine.terminal import on_one_line
from danlu.recipe.part import Part

Mark = tuple[Hashable, str]
"""Something that a value holds, and its label: `("good", "good")`, `((0, 2, "person"), "person")`."""


class Answer(Part):
    """The form of an answer.

    A prediction is a dict of plain values, ready for json. Its value is what metrics compare: of one type for each
    form, hashable, equal where two answers say the same. The truth of a record is such a value too.
    """

    folder: ClassVar[str] = "danlu.answer.answers"

    one_label: ClassVar[bool] = False
    """Whether a value is a label itself, so that it can be counted which label is taken for which."""

    right_or_wrong: ClassVar[bool] = True
    """Whether an answer is one or the other; False where it is more or less so, as numbers and rankings are."""

    decides: ClassVar[Literal["one", "each"] | None] = None
    """What its probabilities are of: which one answer is right, or whether each label is there; None: it has none."""

    of_characters: ClassVar[bool] = False
    """Whether a prediction names characters of the text, so that `as_given` has something to do."""

    of_listed: ClassVar[bool] = False
    """Whether a prediction names texts of a list in the record, so that `as_listed` has something to do."""

    of_numbers: ClassVar[bool] = False
    """Whether a value holds numbers that always differ a little, so that two answers are hardly ever the same."""

    @abstractmethod
    def value(self, prediction: Mapping[str, Any]) -> Any:
        """The value in a prediction."""

    @abstractmethod
    def plain(self, value: Any) -> Any:
        """A value as plain json, which `read` reads back."""

    @abstractmethod
    def read(self, plain: Any) -> Any:
        """The value that `plain` wrote."""

    def told(self, value: Any) -> Any:
        """A value as plain json for people, as in `errors.jsonl`."""
        return self.plain(value)

    def right(self, truth: Any, value: Any) -> bool:
        """Whether a value is right."""
        return bool(truth == value)

    @abstractmethod
    def wrong(self, truth: Any, prediction: Mapping[str, Any]) -> tuple[float, float]:
        """How wrong a prediction is, 0 if it is right, and how sure it was of that; the worst errors come first."""

    def amount(self, value: Any) -> float | None:
        """How much a value says, where that is one number."""
        return None

    def marks(self, value: Any) -> frozenset[Mark]:
        """What a value holds, each thing with its label, so that it can be counted by label; nothing without labels."""
        return frozenset()

    def scores(self, prediction: Mapping[str, Any], labels: Sequence[str]) -> list[float]:
        """The score of each label, for metrics that rank by them."""
        raise AssertionError(f"an answer of the form '{self.kind}' has no score of each label")

    def shares(self, prediction: Mapping[str, Any], labels: Sequence[str]) -> list[float] | None:
        """The probability of each label, or choice, in the order of `labels`; None where they are not all told."""
        return None

    def places(self, value: Any, numbers: Mapping[str, int]) -> list[int]:
        """Where in `shares` what a value holds stands; `numbers` are the places of the labels."""
        return [numbers[label] for _, label in self.marks(value) if label in numbers]

    @abstractmethod
    def short(self, prediction: Mapping[str, Any]) -> list[str]:
        """The answer by itself in a few words."""

    def fields(self, prediction: Mapping[str, Any], text: str) -> list[str]:
        """The answer and the text that was asked about, as fields of a line."""
        return [*self.short(prediction), text]

    def line(self, prediction: Mapping[str, Any], text: str) -> str:
        """The `fields` as one line for a terminal, whatever the text holds."""
        return "\t".join(map(on_one_line, self.fields(prediction, text)))

    def columns(self, prediction: Mapping[str, Any]) -> dict[str, str | int | float | None]:
        """The answer as columns of a csv; what is no text and no number stands there as json."""
        return {name: as_cell(value) for name, value in prediction.items()}

    def as_listed(
        self, prediction: Mapping[str, Any], given: Mapping[str, Any], alike: Mapping[str, Sequence[str]]
    ) -> dict[str, Any]:
        """The prediction with texts as the record that was given lists them; `alike` has those that were read as one.

        Every text that was read is a key of `alike`.
        """
        return dict(prediction)

    def as_given(
        self, prediction: Mapping[str, Any], text: str, back: Callable[[int, int], tuple[int, int] | None]
    ) -> dict[str, Any]:
        """A prediction of a text that was rewritten, said of `text` as it was given.

        `back` is where characters of the rewritten text stand in `text`; None if nothing of them does.
        """
        return dict(prediction)

    @abstractmethod
    def headings(self, _: Callable[[str], str]) -> Headings:
        """What a table of the worst answers shows."""

    @abstractmethod
    def cells(self, text: str, gold: Any, prediction: Mapping[str, Any], wrong: float, surely: float) -> list[Cell]:
        """A row of that table; `gold` is the truth as `told` says it, `wrong` and `surely` are what `wrong` gave."""


def as_cell(value: Any) -> str | int | float | None:
    """A plain value for a cell of a csv: texts, numbers and nothing as they are, the rest as json."""
    match value:
        case bool():
            return json.dumps(value)
        case str() | int() | float() | None:
            return value
        case _:
            return json.dumps(value, ensure_ascii=False, default=str)
