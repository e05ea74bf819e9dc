"""What tools for annotation have in common: spans with labels, classes of whole texts."""

from collections.abc import Sequence
from typing import Any

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.offsets import Unit, character_at, nearest_mention, unit_of
from danlu.data.record import Record

Span = tuple[int, int, str, str | None]
"""Start, exclusive end, label, and the text that it should cover if that is stated."""


class Unfit(ValueError):
    """What is wrong with an annotation, for the sentence that tells it."""


def entities_of(text: str, spans: Sequence[Span], bad_rows: BadRows, likely: Unit = "characters") -> list[Record]:
    """The spans as entities, in order; those that do not stand where they should are moved, and told.

    Raises:
        Unfit: a span is not within the text, or its text is nowhere.
    """
    unit = unit_of(text, [(start, mention) for start, _, _, mention in spans if mention], likely)
    found = []
    for start, end, label, mention in spans:
        first, last = character_at(text, start, unit), character_at(text, end, unit)
        if not mention:
            if first is None or last is None or first >= last:
                raise Unfit(
                    f"span [{start}, {end}] of '{label}' is not within the text of {len(text)} characters; mend it"
                )
            found.append({"start": first, "end": last, "label": label})
            continue
        if first is None or not text.startswith(mention, first):
            first = nearest_mention(text, mention, start if first is None else first)
            if first is None:
                raise Unfit(
                    f"span [{start}, {end}] of '{label}' should cover {mention[:80]!r}, which is not in the text"
                )
            bad_rows.mend("spans moved to where their text stands")
        elif unit != "characters" and first != start:
            bad_rows.mend(f"offsets of spans that are counted in {unit.upper()}, as characters now")
        found.append({"start": first, "end": first + len(mention), "label": label})
    return sorted(found, key=lambda entity: (entity["start"], entity["end"]))


def whole_number(value: Any, what: str) -> int:
    """An offset, which some tools write as a fraction.

    Raises:
        Unfit: it is none.
    """
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if type(value) is not int:
        raise Unfit(f"{what} of a span is {value!r:.40}, no whole number; mend it")
    return value


def label_columns(labels: Sequence[str]) -> Record:
    """One class of a text as its `label`, several as `labels`."""
    return {"label": labels[0]} if len(labels) == 1 else {"labels": list(labels)}
