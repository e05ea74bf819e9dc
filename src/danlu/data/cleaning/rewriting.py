"""The texts of records rewritten wherever they stand, and the spans that are marked in them moved.

Records are replaced in their list, never changed themselves.
"""

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from danlu.data.characters.alignment import Alignment, forward
from danlu.data.cleaning.cleaner import Rewriter
from danlu.data.reading.call_lines import values_of
from danlu.data.record import Record, answers_of, is_mark
from danlu.refusal import Refusal

TEXTS = (
    *("text", "suffix", "text_pair", "context", "question"),
    *("source", "target", "translation", "summary", "chosen", "rejected"),
)
"""Columns that hold a text, beside the one that records are compared by."""

LISTS = ("choices", "negatives", "positives", "candidates")
"""Columns that hold several texts."""

TOKENS = ("tokens", "words")
"""Columns that hold a text in pieces; `tags` goes with the first that there is."""

_IN_TEXT = ("entities", "head", "tail")

MARKS = (*_IN_TEXT, "answers")
"""Columns that mark characters: answers of `context`, the others of the text that records are compared by."""

MESSAGES = ("messages", "chosen", "rejected")
"""Columns that hold a conversation."""


def rewrite_texts(
    records: list[Record],
    rewriter: Rewriter,
    names: Collection[str],
    column: str = "text",
    marks: Collection[str] = MARKS,
) -> int:
    """Rewrite the columns that hold a text; returns how many marked spans have gone.

    `names` are the columns that any of the records has. Entities, head and tail are marked in `column`, answers
    in `context`; those that `marks` names move with their text.

    Raises:
        Refusal: what should mark characters of a text that is rewritten does not.
    """
    lost = 0
    for name in dict.fromkeys((column, *TEXTS)):
        if name not in names:
            continue
        texts: list[Any] = [record.get(name) for record in records]
        rows: Sequence[int] = range(len(records))
        if set(map(type, texts)) != {str}:
            rows = [row for row, text in enumerate(texts) if isinstance(text, str)]
            texts = [texts[row] for row in rows]
        for row, old, new in zip(rows, texts, rewriter.rewrite(texts), strict=True):
            if new is old or new == old:
                continue
            record = records[row] | {name: new}
            if name == column and (moving := [mark for mark in _IN_TEXT if mark in marks and mark in record]):
                lost += _move_marks(record, moving, rewriter.trace(old), new)
            if name == "context" and "answers" in marks and "answers" in record:
                lost += move_answers(record, rewriter.trace(old), new)
            records[row] = record
    for name in LISTS:
        if name in names:
            rewrite_list(records, rewriter, name, answered=name == "choices")
    return lost


def rewrite_list(records: list[Record], rewriter: Rewriter, name: str, *, answered: bool) -> None:
    """Rewrite each of several texts; where it is `answered` which of them is right, an answer that is one follows."""
    rows = [row for row, record in enumerate(records) if _is_texts(record.get(name))]
    new = iter(rewriter.rewrite([text for row in rows for text in records[row][name]]))
    for row in rows:
        old = records[row][name]
        texts = [next(new) for _ in old]
        if texts != old:
            texts = list(dict.fromkeys(texts)) if name == "candidates" else texts  # those alike now are read as one
            answer = records[row].get("answer")
            follows = {"answer": texts[old.index(answer)]} if answered and answer in old else {}
            records[row] = records[row] | {name: texts} | follows


def rewrite_tokens(records: list[Record], rewriter: Rewriter, names: Collection[str]) -> None:
    """Rewrite each token by itself; one of which nothing is left goes, and so does its tag."""
    for name in TOKENS:
        rows = [row for row, record in enumerate(records) if _is_texts(record.get(name))] if name in names else []
        new = iter(rewriter.rewrite([token for row in rows for token in records[row][name]]))
        for row in rows:
            old = records[row][name]
            tokens = [next(new) for _ in old]
            if tokens == old:
                continue
            stay = [place for place, token in enumerate(tokens) if token]
            records[row] = records[row] | {name: [tokens[place] for place in stay]}
            tags = records[row].get("tags")
            first = next(column for column in TOKENS if column in records[row])
            if name == first and isinstance(tags, list) and len(tags) == len(old):
                records[row]["tags"] = _tags_left(tags, stay)


def rewrite_messages(records: list[Record], rewriter: Rewriter, names: Collection[str]) -> None:
    """Rewrite what is said in conversations, and the texts among the arguments of calls."""
    for name in MESSAGES:
        rows = (
            [row for row, record in enumerate(records) if isinstance(record.get(name), list)] if name in names else []
        )
        new = iter(rewriter.rewrite([text for row in rows for text in _said(records[row][name])]))
        for row in rows:
            old = records[row][name]
            changed = [_rewritten(message, new) for message in old]
            if changed != old:
                records[row] = records[row] | {name: changed}


def _move_marks(record: Record, names: Sequence[str], alignments: Sequence[Alignment], text: str) -> int:
    """Move entities, head and tail, those of some names; returns how many have gone."""
    lost = 0
    wrong = [name for name in names if not _is_marked(record.get(name))]
    if wrong:
        raise Refusal(
            f"column '{wrong[0]}' must hold {{start, end, label}} where a cleaner rewrites its text; "
            "read such files with kind spans, or name the column otherwise in 'columns' of the data"
        )
    if "entities" in names and isinstance(record["entities"], list):
        moved = _apart([_moved(mark, alignments, text) for mark in record["entities"]], record["entities"])
        lost += len(record["entities"]) - len(moved)
        record["entities"] = moved
    for name in names:
        if isinstance(record[name], dict):
            mark = _moved(record[name], alignments, text)
            if mark is None:
                lost += 1
                del record[name]
            else:
                record[name] = mark
    return lost


def move_answers(record: Record, alignments: Sequence[Alignment], text: str) -> int:
    """Move the answers of a record whose context was rewritten to `text`; returns how many have gone.

    Raises `Refusal` for what is no list of answers.
    """
    given, answers = answers_of(record), []
    if given is None:
        raise Refusal(
            "column 'answers' must be a list of {text, start} where a cleaner rewrites its context; "
            "read such files with kind squad, or name the column otherwise in 'columns' of the data"
        )
    for answer in given:
        span = forward(alignments, answer["start"], answer["start"] + len(answer["text"]))
        if span is not None:
            answers.append(answer | {"start": span[0], "text": text[span[0] : span[1]]})
    lost = len(given) - len(answers)
    record["answers"] = answers
    return lost


def _moved(mark: dict[str, Any], alignments: Sequence[Alignment], text: str) -> dict[str, Any] | None:
    span = forward(alignments, mark["start"], mark["end"])
    if span is None:
        return None
    said = {"text": text[span[0] : span[1]]} if "text" in mark else {}
    return mark | {"start": span[0], "end": span[1]} | said


def _apart(moved: list[dict[str, Any] | None], before: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Entities that did not overlap do not overlap now: what two would share belongs to the earlier one."""
    order = sorted(range(len(before)), key=lambda place: (before[place]["start"], before[place]["end"]))
    end = end_before = 0
    for place in order:
        mark, old = moved[place], before[place]
        if mark is not None and mark["start"] < end and old["start"] >= end_before:
            mark["start"] = end
            moved[place] = mark if mark["start"] < mark["end"] else None
        if mark is not None:
            end = max(end, mark["end"])
        end_before = max(end_before, old["end"])
    return [mark for mark in moved if mark is not None]


_GOING_ON = {"I-": "B-", "M-": "B-", "E-": "S-", "L-": "U-"}
"""What goes on in an entity, as BIO, BMES, BIOES and BILOU write it, and what begins one in its place."""


def _tags_left(tags: list[str], stay: list[int]) -> list[str]:
    """The tags of the tokens that stay; where the beginning of an entity went, what goes on begins it."""
    left = [tags[place] for place in stay]
    for number, place in enumerate(stay):
        tag = str(tags[place])
        gone = range(stay[number - 1] + 1 if number else 0, place)
        if tag[:2] in _GOING_ON and any(tags[other] == f"B-{tag[2:]}" for other in gone):
            left[number] = f"{_GOING_ON[tag[:2]]}{tag[2:]}"
    return left


def _is_marked(value: object) -> bool:
    """Whether a value holds marks, or is of another sort, such as a text, that marks nothing."""
    return all(map(is_mark, value)) if isinstance(value, list) else not isinstance(value, dict) or is_mark(value)


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _says(message: object) -> bool:
    return isinstance(message, dict) and isinstance(message.get("content"), str)


def _said(messages: list[Any]) -> list[str]:
    """The texts of messages, each before those of its calls."""
    found = []
    for message in messages:
        found += [message["content"]] if _says(message) else []
        for call in _calls(message):
            found += _texts(values_of(call["function"].get("arguments", {})))
    return found


def _calls(message: Any) -> list[dict[str, Any]]:
    """The calls of a message that have a function with arguments."""
    calls = message.get("tool_calls") if isinstance(message, dict) else None
    return [call for call in calls if _is_call(call)] if isinstance(calls, list) else []


def _is_call(call: Any) -> bool:
    return isinstance(call, dict) and isinstance(call.get("function"), dict)


def _texts(value: Any) -> list[str]:
    """The texts in a plain value, in their order, but for the keys."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for each in inner for text in _texts(each)]


def _filled(value: Any, new: Iterator[str]) -> Any:
    """The value with the next texts in place of its own."""
    if isinstance(value, str):
        return next(new)
    if isinstance(value, dict):
        return {key: _filled(each, new) for key, each in value.items()}
    return [_filled(each, new) for each in value] if isinstance(value, list) else value


def _rewritten(message: Any, new: Iterator[str]) -> Any:
    """The message with the next texts in place of those of `_said`."""
    said = {"content": next(new)} if _says(message) else {}
    if not _calls(message):
        return message | said if said else message
    calls = [_called_anew(call, new) if _is_call(call) else call for call in message["tool_calls"]]
    return message | said | {"tool_calls": calls}


def _called_anew(call: dict[str, Any], new: Iterator[str]) -> dict[str, Any]:
    function = call["function"]
    if "arguments" not in function:
        return call
    values = values_of(function["arguments"])
    old = _texts(values)
    texts = [next(new) for _ in old]
    return call if texts == old else {**call, "function": {**function, "arguments": _filled(values, iter(texts))}}
