"""Relations between two entities in JSON.

In the forms of OpenNRE (Han et al., 2019), FewRel (Han et al., 2018) and TACRED (Zhang et al., 2017).
"""

from collections.abc import Iterator, Sequence
from typing import Any, ClassVar
from unicodedata import east_asian_width

from danlu.data.reading.bad_rows import BadRows
from danlu.data.reading.json_format import JsonFormat
from danlu.data.reading.offsets import character_at, nearest_mention, unit_of
from danlu.data.reading.source_file import SourceFile
from danlu.data.record import Record

_FORM = 'expected "text" or "token", and "h" and "t" as {"name": ..., "pos": [start, end]}'
_TOKENS = ("token", "tokens")


class Relations(JsonFormat):
    """One record an object, `{"text", "head": {"start", "end"}, "tail": {...}, "label"}`.

    `pos` counts the tokens of `token`, else the characters of `text`, its end exclusive. An entity whose `name` does
    not stand there is moved to the nearest place where it does; one whose name is nowhere stays where `pos` says.
    Of FewRel a file is an object of relations, each with its texts, and an entity a list of name, number and mentions,
    of which the first is taken; of TACRED `subj_start` to `subj_end` and `obj_start` to `obj_end` are tokens, with the
    last.
    """

    counted_in: ClassVar[str] = "record"

    def rows(self, source: SourceFile, bad_rows: BadRows) -> Iterator[tuple[int, Record]]:
        """Yield the texts; see `FileFormat.rows`."""
        for unit, number, given in self.objects(source, bad_rows):
            for text in _texts(given):
                found = _record(_as_here(text), bad_rows)
                if isinstance(found, str):
                    bad_rows.reject(source.name, f"{unit} {number}", found, text)
                else:
                    yield number, found

    def listed(self, value: Any) -> Any:
        """See `JsonFormat.listed`; a file of FewRel is one object."""
        return [value] if isinstance(value, dict) and _texts(value) != [value] else value


def _texts(given: Record) -> list[Record]:
    """The texts of an object of FewRel, each with the name of its relation; any other object itself."""
    lists = given.values() if all(isinstance(texts, list) for texts in given.values()) else ()
    if not any(lists) or not all(isinstance(text, dict) and "h" in text for texts in lists for text in texts):
        return [given]
    return [{**text, "relation": relation} for relation, texts in given.items() for text in texts]


def _as_here(given: Record) -> Record:
    """An object of FewRel or TACRED in the form of OpenNRE; any other as it is."""
    found = dict(given)
    for key, side in (("h", "subj"), ("t", "obj")):
        begin, end = given.get(f"{side}_start"), given.get(f"{side}_end")
        match given.get(key):
            case [str() as name, _, [[int() as first, *others], *_]]:
                last = others[-1] if others else first
                found[key] = {"name": name, "pos": [first, last + 1 if type(last) is int else last]}
            case None if type(begin) is int and type(end) is int:
                found[key] = {"pos": [begin, end + 1]}
                del found[f"{side}_start"], found[f"{side}_end"]
    return found


def _record(given: Record, bad_rows: BadRows) -> Record | str:
    """The record of an object, or what is wrong with it."""
    stated = [_stated(given.get(key)) for key in ("h", "t")]
    head, tail = stated
    tokens = next((given[key] for key in _TOKENS if isinstance(given.get(key), list)), None)
    text = given.get("text")
    if head is None or tail is None or not (isinstance(text, str) or _words(tokens)):
        return f"{_FORM}; the keys are: {', '.join(map(str, given))}"
    spans = []
    if isinstance(text, str):
        unit = unit_of(text, [(start, name) for name, start, _ in (head, tail) if name])
        for name, start, end in (head, tail):
            places = character_at(text, start, unit), character_at(text, end, unit)
            spans.append(_in_text(text, name, *places, bad_rows))
    else:
        text, borders = _laid_out(tokens or [])
        for _, start, end in (head, tail):
            whole = 0 <= start < end <= len(borders)
            spans.append((borders[start][0], borders[end - 1][1]) if whole else None)
    marks: dict[str, Any] = {}
    for side, (name, start, end), span in zip(("head", "tail"), (head, tail), spans, strict=True):
        if span is None:
            of = f"{len(text):,} characters of the text" if "text" in given else f"{len(tokens or []):,} tokens"
            return f"the {side} '{name}' from {start} to {end} is not within the {of}; mend its 'pos'"
        marks[side] = {"start": span[0], "end": span[1]}
    label = {"label": given["relation"]} if "relation" in given else {}
    others = {key: value for key, value in given.items() if key not in ("text", *_TOKENS, "h", "t", "relation")}
    return {**others, "text": text, **marks, **label}


def _in_text(text: str, name: str, start: int | None, end: int | None, bad_rows: BadRows) -> tuple[int, int] | None:
    """Characters of an entity of a text; None where they are not known."""
    if name and start is not None and text.startswith(name, start):
        return start, start + len(name)
    if name and (found := nearest_mention(text, name, start or 0)) is not None:
        bad_rows.mend("entities moved to where their name stands")
        return found, found + len(name)
    return (start, end) if start is not None and end is not None and start < end else None


def _laid_out(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Text made of tokens, and the characters of each; no space stands beside Chinese."""
    text, borders = "", list[tuple[int, int]]()
    for token in tokens:
        text += " " if text and token and not (_wide(text[-1]) or _wide(token[0])) else ""
        borders.append((len(text), len(text) + len(token)))
        text += token
    return text, borders


def _wide(character: str) -> bool:
    return east_asian_width(character) in "WF"


def _stated(value: Any) -> tuple[str, int, int] | None:
    """Name, start and end of an entity; None where they are of another form."""
    pos = value.get("pos") if isinstance(value, dict) else None
    if not isinstance(pos, list) or len(pos) != 2 or not all(type(place) is int for place in pos):
        return None
    name = value.get("name")
    return (name if isinstance(name, str) else ""), pos[0], pos[1]


def _words(tokens: Any) -> bool:
    return isinstance(tokens, list) and all(isinstance(token, str) for token in tokens)
