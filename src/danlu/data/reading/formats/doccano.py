"""What doccano exports (https://github.com/doccano/doccano): texts with classes, spans or other texts, in JSON."""

from collections.abc import Iterator
from typing import Any, ClassVar

from pydantic import Field

from danlu.data.labels import name_of
from danlu.data.reading.annotated import Span, Unfit, entities_of, label_columns, whole_number
from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.json_format import JsonFormat
from danlu.data.reading.source_file import SourceFile
from danlu.data.record import Record
from danlu.recipe.part import nearest

_ANNOTATED = ("label", "labels", "entities", "annotations")


class Doccano(JsonFormat):
    """One record a text: `{"text", "entities"}` of spans, `{"text", "label"}` or `labels` of classes.

    Spans are `[start, end, label]` with exclusive ends, or objects with `start_offset`, `end_offset` and `label`, under
    `label`, `entities` or `annotations`. Classes are texts, or objects with a `label` alone. Other keys stay.
    """

    counted_in: ClassVar[str] = "record"

    text: str = Field(default="text", description="key of the text")

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the texts; see `FileFormat.rows`."""
        rows = (_items(given)[1] for _, _, given in self.objects(source, BadRows()))
        spanned = next((any(map(_is_span, items)) for items in rows if items), True)
        for unit, number, given in self.objects(source, bad_rows):
            try:
                yield number, self._record(given, bad_rows, spanned=spanned)
            except Unfit as error:
                bad_rows.reject(source.name, f"{unit} {number}", str(error), given)

    def _record(self, given: Record, bad_rows: BadRows, *, spanned: bool) -> Record:
        text = given.get(self.text)
        if not isinstance(text, str):
            raise Unfit(f"there is no text in '{self.text}'{nearest(self.text, list(given))}; name its key in 'text'")
        key, items = _items(given)
        if not key:
            raise Unfit(f"there are no annotations in '{', '.join(_ANNOTATED)}'; export them, or use kind jsonl")
        others = {name: value for name, value in given.items() if name not in (self.text, *_ANNOTATED, "relations")}
        if given.get("relations"):
            bad_rows.mend("relations between spans left out")
        spans = [item for item in items if _is_span(item)]
        if spans and len(spans) < len(items):
            raise Unfit(f"'{key}' holds spans and classes side by side; export them one by one")
        if spans or key == "entities" or (spanned and not items):
            return {
                "text": text,
                "entities": entities_of(text, [self._span(item) for item in spans], bad_rows),
                **others,
            }
        labels = [self._name(item.get("label") if isinstance(item, dict) else item) for item in items]
        if not labels:
            raise Unfit("has no label; annotate it, or write 'on_bad_row: skip' to leave such texts out")
        return {"text": text, **label_columns(labels), **others}

    def _span(self, item: Any) -> Span:
        if isinstance(item, list):
            if len(item) != 3:
                raise Unfit(f"a span is {item!r:.60}; expected [start, end, label]")
            start, end, label = item
        else:
            start, end, label = item["start_offset"], item.get("end_offset"), item.get("label")
        return whole_number(start, "the start"), whole_number(end, "the end"), self._name(label), None

    def _name(self, label: Any) -> str:
        if isinstance(label, str) and label.strip():
            return label
        if type(label) is int:
            return name_of(label, self.names) or str(label)
        raise Unfit(f"a label is {label!r:.40}; expected a text")


def _items(given: Record) -> tuple[str, list[Any]]:
    """The key of the annotations, and what stands there; both empty where there is none."""
    for key in reversed(_ANNOTATED):
        value = given.get(key)
        if isinstance(value, list | str):
            return key, [value] if isinstance(value, str) else value
    return "", []


def _is_span(item: Any) -> bool:
    return isinstance(item, list) or (isinstance(item, dict) and "start_offset" in item)
