"""The text of a record as words, some of which may be changed, and the record with them changed.

What a record says of characters (entities, answers, head, tail) keeps its text and moves with it; BIO tags stay with
their tokens.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from danlu.data.characters.alignment import Alignment, Edit, aligned, applied
from danlu.data.characters.word_cutting import Borders, Cut, with_spaces, word_borders
from danlu.data.record import Record
from danlu.refusal import Refusal

Changes = dict[int, list[str]]
"""Position of a word: the words that take its place; none of them deletes it."""

_SPANS = {"text": ("entities", "head", "tail"), "context": ("answers",)}
"""Columns that tell characters of the column."""


@dataclass(frozen=True)
class Passage:
    """A text as words.

    - `borders`: (start, end) of each word in `text`; between them stand white space and punctuation.
    - `free`: positions of the words that may be changed, ascending: no span touches them.
    - `held`: a byte for each character, not 0 inside of spans; empty for a record that comes as tokens.
    """

    text: str
    borders: Borders
    free: list[int]
    held: bytes
    tokens: bool = False

    @property
    def words(self) -> list[str]:
        """The words themselves."""
        return [self.text[start:end] for start, end in self.borders]


def read_passages(records: Sequence[Record], column: str, cut: Cut = "jieba") -> list[Passage]:
    """The words of each record's column, or of its `tokens` where it has no text.

    Raises `Refusal` naming the record and the column if there is no text, or a span does not fit it.
    """
    found: list[Passage] = []
    for number, record in enumerate(records):
        if column == "text" and column not in record and isinstance(record.get("tokens"), list):
            found.append(_of_tokens(record, number))
        else:
            text = _text(record, column, number)
            if beside := next((name for name in ("words", "tokens") if isinstance(record.get(name), list)), None):
                raise Refusal(
                    f"record {number + 1:,}: its '{beside}' stand beside the text, of which an augmenter would change "
                    "one alone; leave the augmenters out"
                )
            found.append(Passage(text, [], [], _held(record, column, text, number)))
    rows = [row for row, passage in enumerate(found) if not passage.tokens]
    for row, borders in zip(rows, word_borders([found[row].text for row in rows], cut), strict=True):
        held = found[row].held
        free = [place for place, (start, end) in enumerate(borders) if not any(held[start:end])]
        found[row] = replace(found[row], borders=borders, free=free)
    return found


def changed(record: Record, column: str, passage: Passage, changes: Changes) -> Record:
    """A copy of the record with words of its passage changed; only `free` words may be."""
    assert set(changes) <= set(passage.free), "a word inside a span was to be changed"
    if passage.tokens:
        return _changed_tokens(record, passage.words, changes)
    edits = [_edit(passage, place, changes[place]) for place in sorted(changes)]
    told, moved = record | {column: applied(passage.text, edits)}, aligned(edits)
    for name in _SPANS.get(column, ()):
        if name in record:
            told[name] = _shifted(record[name], moved)
    return told


def _edit(passage: Passage, place: int, words: list[str]) -> Edit:
    """What is cut out, and what takes its place; with a deleted word goes one of the spaces around it."""
    (start, end), text = passage.borders[place], passage.text
    if words:
        return start, end, with_spaces(words)[0]
    before = text[start - 1 : start] or " "
    if before.isspace() and text[end : end + 1].isspace() and not passage.held[end]:
        end += 1
    return start, end, ""


def _shifted(value: Any, moved: Alignment) -> Any:
    """Spans, or one of them, where the text around them has grown or shrunk."""
    if isinstance(value, list):
        return [_shifted(item, moved) for item in value]
    return {key: moved.place(at) if key in ("start", "end") else at for key, at in value.items()}


def _text(record: Record, column: str, number: int) -> str:
    text = record.get(column)
    if not isinstance(text, str):
        there = ", ".join(record) or "none"
        raise Refusal(
            f"record {number + 1:,}: there is no text in the column '{column}' to augment; "
            f"name another in the augmenter's 'column' (the columns are: {there})"
        )
    return text


def _held(record: Record, column: str, text: str, number: int) -> bytes:
    held = bytearray(len(text))
    for start, end in _spans(record, column, text, number):
        held[start:end] = b"\1" * (end - start)
    return bytes(held)


def _spans(record: Record, column: str, text: str, number: int) -> Iterable[tuple[int, int]]:
    for name in _SPANS.get(column, ()):
        value = record.get(name) or []
        for span in value if isinstance(value, list) else [value]:
            start = span.get("start") if isinstance(span, dict) else None
            length = len(span["text"]) if isinstance(span, dict) and isinstance(span.get("text"), str) else 0
            end = span.get("end", start + length) if isinstance(span, dict) and isinstance(start, int) else None
            if not (isinstance(start, int) and isinstance(end, int) and 0 <= start <= end <= len(text)):
                raise Refusal(
                    f"record {number + 1:,}: in '{name}', {span} does not fit the {len(text):,} characters of "
                    f"'{column}'; mend its 'start' and 'end'"
                )
            yield start, end


def _of_tokens(record: Record, number: int) -> Passage:
    tokens, tags = record["tokens"], record.get("tags", ["O"] * len(record["tokens"]))
    if not all(isinstance(token, str) for token in tokens) or len(tags) != len(tokens):
        raise Refusal(f"record {number + 1:,}: 'tokens' must be words, and 'tags' one for each; mend the record")
    text, borders = with_spaces(tokens)
    going_on = [tag.startswith("I-") for tag in tags[1:]] + [False]  # without its O, a stray I would join the last span
    free = [
        place
        for place, (token, tag, stray) in enumerate(zip(tokens, tags, going_on, strict=True))
        if tag == "O" and not stray and token[:1].isalnum()
    ]
    return Passage(text, borders, free, b"", tokens=True)


def _changed_tokens(record: Record, words: list[str], changes: Changes) -> Record:
    given = [changes.get(place, [word]) for place, word in enumerate(words)]
    told = record | {"tokens": [word for group in given for word in group]}
    if "tags" in record:
        told["tags"] = [tag for tag, group in zip(record["tags"], given, strict=True) for _ in group]
    return told
