"""Texts with labelled spans in JSON, as CLUENER (Xu et al., 2020), CMeEE and annotation tools write them."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.json_format import JsonFormat
from danlu.data.reading.offsets import Unit, character_at, nearest_mention, unit_of
from danlu.data.reading.source_file import SourceFile
from danlu.data.record import Record
from danlu.recipe.part import nearest

_STARTS = ("start", "start_offset", "start_idx", "begin")
_ENDS = ("end", "end_offset", "end_idx")
_LABELS = ("label", "type", "entity_type", "category")
_MENTIONS = ("text", "mention", "entity", "word")

Span = tuple[int, int, str, str | None]
"""Start, end as stated, label, and the text that it should cover if that is stated."""


class Spans(JsonFormat):
    """One record an object, `{"text", "entities": [{"start", "end", "label"}]}` with ends exclusive.

    The spans are `{label: {text: [[start, end]]}}`, or a list of `[start, end, label]` or of objects with such keys.
    One that does not cover the text stated for it is moved to the nearest place where that stands. Offsets may be
    counted in UTF-16 or UTF-8, which the stated texts show, and become those of characters.
    """

    counted_in: ClassVar[str] = "record"

    text: str = Field(default="text", description="key of the text")
    spans: str = Field(default="label", description="key of the spans")
    ends: Literal["auto", "inclusive", "exclusive"] = Field(
        default="auto",
        description="whether the character at 'end' belongs to the span; auto: as the texts stated for the spans show",
    )
    unit: Literal["auto", "characters", "utf-16", "utf-8"] = Field(
        default="auto",
        description="what offsets are counted in, utf-16 by tools in JavaScript or Java; auto: as the texts stated for "
        "the spans show",
    )

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the texts; see `FileFormat.rows`."""
        likely: Unit = "characters"
        for unit, number, given in self.objects(source, bad_rows):
            found = self._record(given, likely, bad_rows)
            if isinstance(found, str):
                bad_rows.reject(source.name, f"{unit} {number}", found, given)
            else:
                record, likely = found
                yield number, record

    def _record(self, given: Record, likely: Unit, bad_rows: BadRows) -> tuple[Record, Unit] | str:
        """The record, and what its offsets are counted in; or what is wrong with it."""
        for key, field in ((self.text, "text"), (self.spans, "spans")):
            if key not in given:
                return f"there is no key '{key}'{nearest(key, list(given))}; name the one that is meant in '{field}'"
        text = given[self.text]
        spans = _stated(given[self.spans])
        if not isinstance(text, str) or spans is None:
            what = f"'{self.spans}' holds no spans" if isinstance(text, str) else f"'{self.text}' is no text"
            return f'{what}; expected a text, and spans such as [[0, 2, "person"]] or {{label: {{text: [[0, 1]]}}}}'
        unit = self.unit
        if unit == "auto":
            unit = unit_of(text, [(start, mention) for start, _, _, mention in spans if mention], likely)
        entities = []
        for span in spans:
            found = self._found(text, span, unit, bad_rows)
            if isinstance(found, str):
                return found
            entities.append({"start": found[0], "end": found[1], "label": span[2]})
            if unit != "characters" and found[0] != span[0]:
                bad_rows.mend(f"offsets of spans that are counted in {unit.upper()}, as characters now")
        entities.sort(key=lambda entity: (entity["start"], entity["end"]))
        others = {key: value for key, value in given.items() if key not in (self.text, self.spans)}
        return {"text": text, "entities": entities, **others}, unit

    def _found(self, text: str, span: Span, unit: Unit, bad_rows: BadRows) -> tuple[int, int] | str:
        """Start and exclusive end of a span, or what is wrong with it."""
        start, end, label, mention = span
        if mention is None and self.ends == "auto":
            return (
                "the spans do not state their texts, so it cannot be told whether the end belongs to them; "
                "write 'ends: exclusive' or 'ends: inclusive'"
            )
        first, last = character_at(text, start, unit), character_at(text, end, unit)
        if mention is None:
            if first is not None and last is not None:
                last += self.ends == "inclusive"
                if first < last <= len(text):
                    return first, last
            return (
                f"span [{start}, {end}] of '{label}' is not within the text of {len(text)} characters; mend it, or "
                "write 'unit: utf-16' where a tool counts an emoji as two"
            )
        if mention and first is not None and text.startswith(mention, first):
            if last is None or not self._agrees(last - first, len(mention)):
                bad_rows.mend("spans whose end is that of their text now")
            return first, first + len(mention)
        found = nearest_mention(text, mention, start if first is None else first)
        if found is None:
            return f"span [{start}, {end}] of '{label}' should cover {mention!r}, which is not in the text; mend it"
        bad_rows.mend("spans moved to where their text stands")
        return found, found + len(mention)

    def _agrees(self, stated: int, length: int) -> bool:
        allowed = {"inclusive": {length - 1}, "exclusive": {length}, "auto": {length - 1, length}}
        return stated in allowed[self.ends]


def _stated(value: Any) -> list[Span] | None:
    """The spans of one of the known forms; None where it is another."""
    found: list[Span] = []
    try:
        if isinstance(value, dict):
            for label, mentions in value.items():
                found += [(start, end, label, text) for text, places in mentions.items() for start, end in places]
        else:
            for item in value:
                found.append(_of_object(item) if isinstance(item, dict) else (item[0], item[1], item[2], None))
    except (AttributeError, TypeError, ValueError, KeyError, IndexError):
        return None
    whole = all(type(start) is int and type(end) is int for start, end, _, _ in found)
    return found if whole and all(isinstance(label, str) for _, _, label, _ in found) else None


def _of_object(item: dict[str, Any]) -> Span:
    def of(keys: tuple[str, ...]) -> Any:
        return item[next((key for key in keys if key in item), keys[0])]

    mention = next((item[key] for key in _MENTIONS if isinstance(item.get(key), str)), None)
    return of(_STARTS), of(_ENDS), of(_LABELS), mention
