"""Records with marked spans: text with entities, tokens with BIO tags, or a text that is split into words."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

from danlu.data.cleaning.rewriting import TEXTS
from danlu.data.labels import label_of
from danlu.data.record import Record, text_of
from danlu.refusal import Refusal
from danlu.task.columns import missing, text_in
from danlu.text.batching.align import joined
from danlu.text.batching.bio import split_tag
from danlu.text.segmenting.segmented import borders, text_in_words

Entity = tuple[int, int, str]
Nested = Literal["stop", "longest"]
WORD = "word"
"""The label of the words of a segmented text."""


@dataclass(slots=True)
class Marked:
    """A text and its entities as (start, end, type), in order."""

    text: str
    spans: list[Entity]


def in_tokens(record: Record) -> bool:
    """Whether the record comes as tokens; a text of its own goes first."""
    return "tokens" in record and "text" not in record


def read_words(record: Record, number: int) -> tuple[str, list[tuple[int, int]] | None]:
    """The text of a record and the words that are given with it, None where there are none.

    Words without a text are laid out as tokens are. Raises `Refusal` naming the record and the column.
    """
    column = "words" if "words" in record else "tokens"
    if column not in record:
        return text_in(record, number), None
    if "text" in record:
        return text_in(record, number), borders({**record, "words": _tokens(record, number, column)}, number)
    text, found = joined(_tokens(record, number, column))
    return text, [(start, end) for start, end in found.tolist()]


def read_tagged(record: Record, number: int) -> Marked:
    """The text of a record whose words have a tag each, and these as spans.

    Raises `Refusal` naming the record: words or tags are missing, or there are more of the one than of the other.
    """
    text, words = read_words(record, number)
    tags = record.get("tags")
    if words is None:
        raise Refusal(missing(record, number, "words", "a list of words"))
    if "tags" not in record:
        raise Refusal(missing(record, number, "tags", "a list with a tag for each word"))
    labels = [label_of(tag) for tag in tags] if isinstance(tags, list) else []
    if len(labels) != len(words) or None in labels:
        raise Refusal(
            f"record {number + 1:,}: column 'tags' must be a list with one tag for each of the {len(words)} words, "
            "none of them empty"
        )
    return Marked(text, [(start, end, str(tag)) for (start, end), tag in zip(words, labels, strict=True)])


def read_text(record: Record, number: int) -> str:
    """The text of a record, joined from its tokens where it comes as tokens; `number` counts records from 0.

    Raises `Refusal` naming the record and the column.
    """
    if in_tokens(record):
        return joined(_tokens(record, number))[0]
    if "words" in record and "text" not in record and "tags" in record:
        return read_words(record, number)[0]
    if "words" in record and "text" not in record:
        borders(record, number)
        return text_in_words(record)
    return text_in(record, number)


def shown_text(record: Record) -> str:
    """What a record is about, for a person: its text or tokens, else a line of each other text that it has."""
    if record.get("text") is not None or any(isinstance(record.get(name), list) for name in ("tokens", "words")):
        try:
            return read_text(record, 0)
        except Refusal:  # a column of that name which holds another thing, as a count of tokens
            pass
    return text_of(record, "messages" if "messages" in record else TEXTS)


def read_marked(record: Record, number: int, nested: Nested = "stop") -> Marked:
    """The text and the entities of a record; `number` counts records from 0.

    Of entities over one another, "longest" keeps the longest. Raises `Refusal` naming the record and what is
    wrong: a missing column, tags that do not match the tokens or are no BIO, entities outside the text or over
    one another.
    """
    if in_tokens(record):
        return _from_tags(record, number)
    if _in_words(record) and record.get("tags") is not None:
        raise Refusal(
            f"record {number + 1:,}: has 'words' and 'tags'; write 'columns: {{tokens: words}}' in the data for "
            "entities with tags such as B-person, choose the task tag_words for parts of speech, or leave 'tags' out "
            "for words alone"
        )
    if _in_words(record):
        spans = [(start, end, WORD) for start, end in borders(record, number)]
        return Marked(text_in_words(record), spans)
    text = text_in(record, number)
    if "entities" not in record:
        raise Refusal(missing(record, number, "entities", "a list of {start, end, label}"))
    entities = record["entities"]
    if not isinstance(entities, list):
        raise Refusal(f"record {number + 1:,}: column 'entities' must be a list of {{start, end, label}}")
    spans = sorted(_entity(item, text, number) for item in entities)
    if nested == "longest":
        spans = _longest(spans)
    for (_, end, label), (start, _, other) in pairwise(spans):
        if start < end:
            raise Refusal(
                f"record {number + 1:,}: a '{label}' and a '{other}' overlap at character {start}; "
                "keep one of them, or set the task's 'nested' to 'longest'"
            )
    return Marked(text, spans)


def _in_words(record: Record) -> bool:
    """Whether the words of a segmented text are what is marked; entities of its own go first."""
    return "words" in record and "entities" not in record


def _longest(spans: list[Entity]) -> list[Entity]:
    """Spans that do not overlap: the longest first, the earlier of equals, then what still fits beside them."""
    kept: list[Entity] = []
    for start, end, label in sorted(spans, key=lambda span: (span[0] - span[1], span[0])):
        if all(end <= other_start or other_end <= start for other_start, other_end, _ in kept):
            kept.append((start, end, label))
    return sorted(kept)


def _entity(item: Any, text: str, number: int) -> Entity:
    start, end, label = (item.get(key) for key in ("start", "end", "label")) if isinstance(item, dict) else (None,) * 3
    match start, end, label_of(label):
        case int(first), int(last), str(name) if 0 <= first < last <= len(text):
            piece = text[first:last]  # tokens hold no white space at their edges, so no model could find it there
            begin, stop = first + len(piece) - len(piece.lstrip()), last - len(piece) + len(piece.rstrip())
            return (begin, stop, name) if begin < stop else (first, last, name)
    raise Refusal(
        f"record {number + 1:,}: the entity {item} must have a 'start' before its 'end', both within the "
        f"{len(text):,} characters of the text, and a 'label'"
    )


def _tokens(record: Record, number: int, column: str = "tokens") -> list[str]:
    tokens = record[column]
    if isinstance(tokens, list) and all(isinstance(token, str) and token for token in tokens):
        return tokens
    raise Refusal(f"record {number + 1:,}: column '{column}' must be a list of words, none of them empty")


def _from_tags(record: Record, number: int) -> Marked:
    tokens = _tokens(record, number)
    if "tags" not in record:
        raise Refusal(missing(record, number, "tags", "a list of BIO tags"))
    tags = record["tags"]
    if not isinstance(tags, list) or len(tags) != len(tokens):
        raise Refusal(
            f"record {number + 1:,}: column 'tags' must be a list with one tag for each of the {len(tokens)} tokens"
        )
    text, borders = joined(tokens)
    spans: list[Entity] = []
    open_kind = ""
    for tag, (start, end) in zip(tags, borders.tolist(), strict=True):
        try:
            what, kind = split_tag(tag)
        except (ValueError, AttributeError) as error:
            raise Refusal(f"record {number + 1:,}: '{tag}' is no BIO tag such as B-place, I-place or O") from error
        if what == 2 and kind == open_kind:
            spans[-1] = (spans[-1][0], end, kind)
        elif what:
            spans.append((start, end, kind))
        open_kind = kind
    return Marked(text, spans)
