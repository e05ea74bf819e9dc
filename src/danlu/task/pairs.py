"""Two marked entities of a text, and a row of tokens in which they stand between marker tokens.

The markers are special tokens of the tokenizer, which no text can spell (`danlu.text.tokenizing.tokenizer`), so
nothing that is typed is taken for one, and no token has to be added to a model (Baldini Soares et al., 2019, add four).
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from danlu.data.reading.marks import read_marks
from danlu.data.record import Record, is_mark
from danlu.refusal import Refusal
from danlu.task.columns import text_in
from danlu.text.batching.align import touched
from danlu.text.batching.encoded import Encoded, Ids, Row
from danlu.text.batching.windows import TooLong
from danlu.text.tokenizing.tokenizer import Tokenizer

HEAD, TAIL = "head", "tail"
TAGS = ("e1", "e2")
_SHOWN = 60  # characters of a text


@dataclass(frozen=True)
class Pair:
    """A text and where its head and its tail stand, end exclusive; they do not overlap."""

    text: str
    head: tuple[int, int]
    tail: tuple[int, int]


def pair_in(record: Record, number: int) -> Pair:
    """The text of a record with its two entities; `number` counts records from 0.

    They are columns, or tags in the text (`<e1>...</e1>`) where it has neither column. Raises `Refusal` naming the
    record for one that is not marked, lies outside of the text, or overlaps the other.
    """
    text = text_in(record, number)
    if HEAD not in record and TAIL not in record:
        found = read_marks(text, *TAGS)
        if found is None:
            raise Refusal(
                f"record {number + 1:,}: '{text[:_SHOWN]}' does not say which two entities are meant; give 'head' and "
                "'tail' as {start, end}, or mark each once in the text, as in <e1>...</e1> and <e2>...</e2>"
            )
        record, text = found, str(found["text"])
    head, tail = (_span(record, name, text, number) for name in (HEAD, TAIL))
    if head[0] < tail[1] and tail[0] < head[1]:
        same = "are the same characters" if head == tail else "overlap"
        raise Refusal(
            f"record {number + 1:,}: head '{text[slice(*head)]}' and tail '{text[slice(*tail)]}' {same}; "
            "a relation holds between two entities that stand apart, so mend one of the two"
        )
    return Pair(text, head, tail)


def in_columns(record: Record) -> Record:
    """The record with its two entities in columns, where tags in its text say which they are."""
    text = record.get("text")
    if HEAD in record or TAIL in record or not isinstance(text, str):
        return record
    return {**record, **(read_marks(text, *TAGS) or {})}


def _span(record: Record, name: str, text: str, number: int) -> tuple[int, int]:
    mark: Any = record.get(name)
    if not is_mark(mark):
        given = "is missing" if name not in record else f"is {str(mark)[:_SHOWN]}"
        raise Refusal(
            f"record {number + 1:,}: column '{name}' {given}; expected {{start, end}}, the characters of an entity"
        )
    start, end = mark["start"], mark["end"]
    if not 0 <= start < end <= len(text):
        raise Refusal(
            f"record {number + 1:,}: '{name}' from {start} to {end} is not within the {len(text):,} characters of the "
            "text; mend its 'start' and 'end', which is exclusive"
        )
    entity = text[start:end]
    if not entity.strip():
        raise Refusal(f"record {number + 1:,}: '{name}' from {start} to {end} is white space; mark an entity")
    return start + len(entity) - len(entity.lstrip()), start + len(entity.rstrip())


def markers_of(tokenizer: Tokenizer) -> tuple[Ids, Ids]:
    """What stands before and behind a head, and a tail: two special tokens, or one of them once and twice.

    Raises `Refusal` for a tokenizer that has no special token.
    """
    roles = ("mask", "cls", "bos", "sep", "eos")
    numbers = [getattr(tokenizer, f"{role}_token_id") for role in roles]
    usable = dict.fromkeys(number for number in numbers if number is not None)
    for never in (tokenizer.pad_token_id, tokenizer.unk_token_id):
        if len(usable) > 1:
            usable.pop(never, None)
    if not usable:
        raise Refusal(
            "the tokenizer has no special token to mark entities with; choose a model whose tokenizer has one"
        )
    first, *others = usable
    return np.array([first], np.int32), np.array(others[:1] or [first, first], np.int32)


def with_markers(
    encoded: Encoded, slides_T: NDArray[np.bool_], pair: Pair, tokenizer: Tokenizer
) -> tuple[Encoded, range]:
    """A row with markers around both entities, and the tokens of it that must stay together.

    An entity whose border lies inside a token is widened to it, and counted.
    """
    row, markers = encoded.row, markers_of(tokenizer)
    assert row.offsets is not None
    places = np.flatnonzero(slides_T & (row.offsets[:, 0] < row.offsets[:, 1]))
    put: list[tuple[int, int, Ids]] = []
    widened = 0
    for number, (start, end) in enumerate((pair.head, pair.tail)):
        first, stop = _tokens((start, end), row.offsets, places)
        exact = first < stop and (int(row.offsets[first, 0]), int(row.offsets[stop - 1, 1])) == (start, end)
        widened += not exact
        opens, closes = (3, 0) if first < stop else (1, 2)  # at one place what closes goes first
        put += [(first, opens, markers[number]), (stop, closes, markers[number])]
    ordered = sorted(put, key=lambda each: each[:2])
    pieces, offsets, last = list[Ids](), list[NDArray[np.int32]](), 0
    for place, _, ids in ordered:
        pieces += [row.input_ids[last:place], ids]
        offsets += [row.offsets[last:place], np.zeros((len(ids), 2), np.int32)]
        last = place
    begin = ordered[0][0]
    end = ordered[-1][0] + sum(len(ids) for _, _, ids in ordered)
    made = Row(np.concatenate([*pieces, row.input_ids[last:]]), np.concatenate([*offsets, row.offsets[last:]]))
    return replace(encoded, rows=(made,), widened=widened), range(begin, end)


def _tokens(span: tuple[int, int], offsets: NDArray[np.int32], places: NDArray[np.intp]) -> tuple[int, int]:
    """The tokens of a span: the first, and the one behind the last; where it has none, the place between two."""
    if not len(places):
        return 0, 0
    ((first, stop),) = touched([(*span, None)], offsets[places])
    if first >= stop:
        place = int(places[first]) if first < len(places) else int(places[-1]) + 1
        return place, place
    return int(places[first]), int(places[stop - 1]) + 1


def around_both(whole: Encoded, kept: range, inside: range, limit: int, too_long: TooLong) -> Encoded:
    """A row of at most `limit` tokens: all of `kept`, and of what else stands `inside` as much on both sides.

    Raises `Refusal` where the row is longer under "stop", and where `kept` alone does not fit.
    """
    if len(whole) <= limit:
        return whole
    if too_long == "stop":
        raise Refusal(
            f"record {whole.record + 1:,}: the text has {len(whole):,} tokens and a row takes {limit:,}; "
            "shorten it, or set the task's 'too_long' to 'truncate', which keeps both entities"
        )
    room = limit - (len(whole) - len(inside))
    if len(kept) > room:
        raise Refusal(
            f"record {whole.record + 1:,}: head and tail take {len(kept):,} tokens with what is between them, and a "
            f"row has room for {room:,}; give the sentence that has both, or a model that takes longer rows"
        )
    spare = room - len(kept)
    before = min(kept.start - inside.start, max(spare // 2, spare - (inside.stop - kept.stop)))
    start = kept.start - before
    chosen = np.r_[0 : inside.start, start : start + room, inside.stop : len(whole)]
    row = whole.row
    assert row.offsets is not None
    made = Row(row.input_ids[chosen], row.offsets[chosen])
    return replace(whole, rows=(made,), cut=len(inside) - room)
