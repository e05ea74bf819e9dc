"""Labelled spans of characters: `{"entities": [{"start": 0, "end": 2, "label": "person", "text", "score"}]}`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from danlu.answer.answer import Answer, Mark
from danlu.answer.shown import Cell, Headings, cell, marked

Span = tuple[int, int, str]


class Spans(Answer):
    """Labelled spans of characters; the value is the set of (start, end, label)."""

    of_characters: ClassVar[bool] = True

    def value(self, prediction: Mapping[str, Any]) -> frozenset[Span]:
        """The spans."""
        return frozenset(_spans(prediction["entities"]))

    def plain(self, value: frozenset[Span]) -> list[list[Any]]:
        """Rows of start, end and label, in the order of the text."""
        return [list(span) for span in sorted(value)]

    def read(self, plain: Sequence[Sequence[Any]]) -> frozenset[Span]:
        """The spans."""
        return frozenset((start, end, label) for start, end, label in plain)

    def told(self, value: frozenset[Span]) -> list[dict[str, Any]]:
        """As a prediction says them: a list of `{"start", "end", "label"}` in the order of the text."""
        return [{"start": start, "end": end, "label": label} for start, end, label in sorted(value)]

    def wrong(self, truth: frozenset[Span], prediction: Mapping[str, Any]) -> tuple[float, float]:
        """How many are wrongly found or missed, and the highest score of one wrongly found."""
        scores = [
            float(entity.get("score", 0.0))
            for entity, span in zip(prediction["entities"], _spans(prediction["entities"]), strict=True)
            if span not in truth
        ]
        return len(truth ^ self.value(prediction)), max(scores, default=0.0)

    def marks(self, value: frozenset[Span]) -> frozenset[Mark]:
        """Each span, under its label."""
        return frozenset((span, span[2]) for span in value)

    def short(self, prediction: Mapping[str, Any]) -> list[str]:
        """The spans as `text/label`."""
        return [f"{entity['text']}/{entity['label']}" for entity in prediction["entities"]]

    def fields(self, prediction: Mapping[str, Any], text: str) -> list[str]:
        """The text with its spans in brackets."""
        for start, end, label in sorted(_spans(prediction["entities"]), reverse=True):
            text = f"{text[:start]}[{text[start:end]} {label}]{text[end:]}"
        return [text]

    def as_given(
        self, prediction: Mapping[str, Any], text: str, back: Callable[[int, int], tuple[int, int] | None]
    ) -> dict[str, Any]:
        """The spans at the characters that were given; one that covers nothing but what was put in goes."""
        entities = []
        for entity in prediction["entities"]:
            span = back(entity["start"], entity["end"])
            if span is not None:
                start, end = span
                entities.append(entity | {"start": start, "end": end, "text": text[start:end]})
        return {**prediction, "entities": entities}

    def headings(self, _: Callable[[str], str]) -> Headings:
        """The text twice, once with the true spans and once with those found; number of mistakes."""
        return Headings(
            _("the texts with most entities wrongly found or missed"),
            (_("truth, then answer; what the two do not share is filled in"), _("wrong")),
        )

    def cells(
        self, text: str, gold: Sequence[Mapping[str, Any]], prediction: Mapping[str, Any], wrong: float, surely: float
    ) -> list[Cell]:
        """The text twice, once with the true spans and once with those found; number of mistakes."""
        true, found = _spans(gold), _spans(prediction["entities"])
        both = (marked(text, true, found), marked(text, found, true))
        return [Cell("text", both), cell("number", f"{wrong:,.0f}")]


def _spans(entities: Sequence[Mapping[str, Any]]) -> list[Span]:
    return [(entity["start"], entity["end"], entity["label"]) for entity in entities]
