"""One example, as a dict of plain values: `{"text": ..., "label": ...}`."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from datetime import date, time, timedelta
from decimal import Decimal
from math import isnan
from typing import Any

from danlu.data.labels import label_of
from danlu.refusal import Refusal

Record = dict[str, Any]
"""Plain values only (text, numbers, lists and dicts of them); columns are named as the task names them."""


DEPTH = 32
"""How deep values may lie within each other; records are flat as a rule, and what is deeper costs gigabytes."""


STRUCTURED = frozenset(
    {"answers", "choices", "entities", "head", "labels", "messages", "negatives", "positives"}
    | {"tags", "tail", "tokens", "words"}
)
"""Columns that are lists or dicts by their nature; every other one that is needed holds a text or a number."""


TRUTHS = frozenset(
    {"answer", "answers", "entities", "label", "labels", "score", "summary", "tags", "target", "translation"}
)
"""Columns that say what is to be answered, and nothing of what is asked."""


_PLAIN = {str, bool, type(None)}

_HALF = re.compile("[\ud800-\udfff]")

_ASKED = ("head", "tail", "question", "choices", "positives", "negatives")
"""Columns that say what is asked of a text."""

Columns = str | tuple[str, ...]
"""A column with a text, or several whose texts count together."""


def text_of(record: Record, column: Columns = "text") -> str:
    """The text by which records are compared: that of `column`, or its `words` or `tokens`.

    Of several columns it is a line of each that the record has. Words stand side by side, as in Chinese; tokens have
    spaces between them. The text of `messages` is what is said in them, a line each, without that of the system, which
    many conversations share.
    """
    if isinstance(column, tuple):
        found = [text_of(record, name) for name in column if name in record]
        return "\n".join(found) if found else text_of(record, column[0])
    if column in record:
        value = record[column]
        if isinstance(value, list) and all(map(_is_message, value)):
            said = [item for item in value if item.get("role") != "system"]
            return "\n".join(_said(item) for item in said or value)
        return str(value)
    if "words" in record:
        return "".join(map(str, _listed(record["words"]))) or str(record["words"] or "")
    return " ".join(map(str, _listed(record.get("tokens")))) or str(record.get("tokens") or "")


def _is_message(item: Any) -> bool:
    return isinstance(item, dict) and ("content" in item or "tool_calls" in item)


def _said(message: dict[str, Any]) -> str:
    """What a message says, and the tools that it calls."""
    calls = message.get("tool_calls")
    if not calls or not isinstance(calls, list):
        return str(message.get("content"))
    told = [_function(call) for call in calls]
    return f"{message.get('content') or ''}{json.dumps(told, ensure_ascii=False, sort_keys=True, default=str)}"


def _function(call: Any) -> Any:
    """What a call says, whether its arguments come as values or as JSON within JSON."""
    function = call.get("function", call) if isinstance(call, dict) else call
    if isinstance(function, dict) and isinstance(function.get("arguments"), str):
        with suppress(ValueError):
            return {**function, "arguments": json.loads(function["arguments"])}
    return function


def plain_record(record: Record) -> Record:
    """The record with plain JSON values alone, as `plain` makes them; columns that are empty (null) are left out."""
    for value in record.values():
        kind = type(value)
        if kind not in _PLAIN and (kind is not int or not -(2**63) <= value < 2**63):
            break
    else:
        return record
    values = ((name, plain(value)) for name, value in record.items())
    return {name: value for name, value in values if value is not None}


def plain(value: Any) -> Any:
    """A value as JSON has it, which everything behind the reading of data relies on.

    Dates and times become texts by ISO 8601, decimals and whole numbers beyond 64 bits texts with all their digits,
    bytes base64, no number (NaN) nothing; what is not known becomes its text.
    """
    if type(value) in _PLAIN:
        return value
    for kind, made in _MADE_PLAIN:
        if isinstance(value, kind):
            return made(value)
    return plain(value.tolist()) if hasattr(value, "tolist") else str(value)  # numbers and arrays of numpy


def refuse_halves(record: Record, number: int) -> None:
    """Raise `Refusal` for half of a surrogate pair in a text, which is none; `number` counts records from 0.

    Files are refused for it where they are read; JSON that somebody hands over may hold it.
    """
    for name, value in record.items():
        waiting = [name, value]
        while waiting:
            item = waiting.pop()
            if isinstance(item, dict):
                waiting += [*item, *item.values()]
            elif isinstance(item, list | tuple):
                waiting += item
            elif isinstance(item, str) and not item.isascii() and _HALF.search(item):
                column = str(name).encode("ascii", "backslashreplace").decode("ascii")
                raise Refusal(
                    f"record {number + 1:,}: column '{column}' holds half of a surrogate pair, which is no text; "
                    "remove it"
                )


def truth_of(record: Record) -> str | None:
    """What a record says of its text, its label, entities, tags or words, as one comparable text; None without any."""
    label = record.get("label")
    if label is not None and not isinstance(label, list):
        return label_of(label) or json.dumps(label, ensure_ascii=False, sort_keys=True, default=str)
    if labels := labels_of(record):
        return json.dumps(sorted(labels), ensure_ascii=False)
    for column in ("labels", "entities", "tags", "words"):
        if record.get(column) is not None:
            value = _spans_alone(record[column])
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return None


def _spans_alone(value: Any) -> Any:
    """What marks of characters say, in the order of the text: not their numbers, nor the order of who made them."""
    if not isinstance(value, list) or not all(map(is_mark, value)):
        return value
    return sorted([mark["start"], mark["end"], label_of(mark.get("label")) or ""] for mark in value)


def opinion_of(record: Record) -> str | None:
    """Its label, or its labels, as one comparable text; None without any. Like texts may differ in it alone."""
    labels = labels_of(record)
    return json.dumps(sorted(labels), ensure_ascii=False) if labels else None


def asked_of(record: Record, compared: Columns = "text") -> str | None:
    """What is asked of its text beside the columns compared, as one comparable text; None where nothing is.

    It is marks of a pair, a question, choices, or documents to rank: records that differ in it are no repeats.
    """
    columns = (compared,) if isinstance(compared, str) else compared
    found = {}
    for name in _ASKED:
        value = record.get(name) if name not in columns else None
        if isinstance(value, list | dict) or (name == "question" and isinstance(value, str)):
            found[name] = [value["start"], value["end"]] if isinstance(value, dict) and is_mark(value) else value
    return json.dumps(found, ensure_ascii=False, sort_keys=True, default=str) if found else None


def labels_of(record: Record) -> list[str]:
    """Its label, or each of several; fractions, which are to be measured, are no labels."""
    value = record.get("label", record.get("labels"))
    found = map(label_of, value if isinstance(value, list) else [value])
    return [label for label in found if label is not None]


def entity_labels(record: Record) -> list[str]:
    """The label of each of its entities, of spans and tags alike; what is neither is not counted."""
    entities, tags = record.get("entities"), record.get("tags")
    found = [label_of(entity.get("label")) for entity in _listed(entities) if isinstance(entity, dict)]
    found += [label_of(tag[2:]) for tag in _listed(tags) if isinstance(tag, str) and tag.startswith(("B-", "S-"))]
    return [label for label in found if label is not None]


def answers_of(record: Record) -> list[dict[str, Any]] | None:
    """The answers of a question as `{"text", "start"}`, also from the forms of SQuAD; None where they are no such."""
    given = record.get("answers")
    if isinstance(given, dict):  # as the datasets library has it: texts beside starts
        texts, starts = given.get("text"), given.get("answer_start", given.get("start"))
        if not isinstance(texts, list) or not isinstance(starts, list) or len(texts) != len(starts):
            return None
        given = [{"text": text, "start": start} for text, start in zip(texts, starts, strict=True)]
    found = []
    for answer in given if isinstance(given, list) else [None]:
        if not isinstance(answer, dict) or not isinstance(answer.get("text"), str):
            return None
        start = answer.get("start", answer.get("answer_start"))
        if type(start) is not int:
            return None
        others = {name: value for name, value in answer.items() if name not in ("text", "start", "answer_start")}
        found.append({"text": answer["text"], "start": start, **others})
    return found


def is_mark(mark: Any) -> bool:
    """Whether a value marks characters of a text: an object with whole numbers in `start` and `end`."""
    return isinstance(mark, dict) and type(mark.get("start")) is int and type(mark.get("end")) is int


def is_labelled(record: Record) -> bool:
    """Whether a record says something of its text."""
    return any(record.get(column) is not None for column in ("label", "labels", "entities", "tags"))


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _whole(number: int) -> int | str:
    """A whole number, or all its digits, of which Python's own text stops at 4,300."""
    return number if -(2**63) <= number < 2**63 else format(Decimal(number), "f")


def _all_plain(values: Any) -> list[Any]:
    return values if type(values) is list and set(map(type, values)) <= _PLAIN else [plain(item) for item in values]


def _seconds(span: timedelta) -> str:
    return f"PT{span.total_seconds():.6f}".rstrip("0").rstrip(".") + "S"


_MADE_PLAIN: tuple[tuple[type | tuple[type, ...], Callable[[Any], Any]], ...] = (
    (dict, lambda value: {str(key): plain(item) for key, item in value.items()}),
    ((list, tuple), _all_plain),
    (int, _whole),
    (float, lambda value: None if isnan(value) else float(value)),
    ((date, time), lambda value: value.isoformat()),  # a datetime is a date as well
    (timedelta, _seconds),
    (Decimal, lambda value: format(value, "f")),
    (bytes, lambda value: b64encode(value).decode("ascii")),
)
