"""Texts with labelled spans in JSON, as CLUENER (Xu et al., 2020), CMeEE and annotation tools write them."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import Field

from danlu.data.bad_rows import BadRows
from danlu.data.json_format import JsonFormat
from danlu.data.record import Record
from danlu.data.source_file import SourceFile
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
    One that does not cover the text stated for it is moved to the nearest place where that stands.
    """

    counted_in: ClassVar[str] = "record"

    text: str = Field(default="text", description="key of the text")
    spans: str = Field(default="label", description="key of the spans")
    ends: Literal["auto", "inclusive", "exclusive"] = Field(
        default="auto",
        description="whether the character at 'end' belongs to the span; auto: as the texts stated for the spans show",
    )

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the texts; see `FileFormat.rows`."""
        for unit, number, given in self.objects(source, bad_rows):
            found = self._record(given, bad_rows)
            if isinstance(found, str):
                bad_rows.reject(source.name, f"{unit} {number}", found, given)
            else:
                yield number, found

    def _record(self, given: Record, bad_rows: BadRows) -> Record | str:
        for key, field in ((self.text, "text"), (self.spans, "spans")):
            if key not in given:
                return f"there is no key '{key}'{nearest(key, list(given))}; name the one that is meant in '{field}'"
        text = given[self.text]
        spans = _stated(given[self.spans])
        if not isinstance(text, str) or spans is None:
            what = f"'{self.spans}' holds no spans" if isinstance(text, str) else f"'{self.text}' is no text"
            return f'{what}; expected a text, and spans such as [[0, 2, "person"]] or {{label: {{text: [[0, 1]]}}}}'
        entities = []
        for span in spans:
            found = self._found(text, span, bad_rows)
            if isinstance(found, str):
                return found
            entities.append({"start": found[0], "end": found[1], "label": span[2]})
        entities.sort(key=lambda entity: (entity["start"], entity["end"]))
        others = {key: value for key, value in given.items() if key not in (self.text, self.spans)}
        return {"text": text, "entities": entities, **others}

    def _found(self, text: str, span: Span, bad_rows: BadRows) -> tuple[int, int] | str:
        """Start and exclusive end of a span, or what is wrong with it."""
        start, end, label, mention = span
        if mention is None:
            if self.ends == "auto":
                return (
                    "the spans do not state their texts, so it cannot be told whether the end belongs to them; "
                    "write 'ends: exclusive' or 'ends: inclusive'"
                )
            end += self.ends == "inclusive"
            if 0 <= start < end <= len(text):
                return start, end
            return f"span [{start}, {span[1]}] of '{label}' is not within the text of {len(text)} characters; mend it"
        if mention and start >= 0 and text.startswith(mention, start) and self._agrees(end - start, len(mention)):
            return start, start + len(mention)
        before, after = text.rfind(mention, 0, max(0, start)), text.find(mention, max(0, start))
        places = [place for place in (before, after) if place >= 0]
        if not places or not mention:
            return f"span [{start}, {span[1]}] of '{label}' should cover {mention!r}, which is not in the text; mend it"
        bad_rows.mend("spans moved to where their text stands")
        place = min(places, key=lambda place: abs(place - start))
        return place, place + len(mention)

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
