"""One example, as a dict of plain values: `{"text": ..., "label": ...}`."""

import json
from typing import Any

Record = dict[str, Any]
"""Plain values only (text, numbers, lists and dicts of them); columns are named as the task names them."""


DEPTH = 32
"""How deep values may lie within each other; records are flat as a rule, and what is deeper costs gigabytes."""


STRUCTURED = frozenset({"answers", "entities", "head", "labels", "messages", "tags", "tail", "tokens", "words"})
"""Columns that are lists or dicts by their nature; every other one that is needed holds a text or a number."""


Columns = str | tuple[str, ...]
"""A column with a text, or several whose texts count together."""


def text_of(record: Record, column: Columns = "text") -> str:
    """The text by which records are compared: that of `column`, or its `words` or `tokens`.

    Of several columns it is a line of each that the record has. Words stand side by side, as in Chinese; tokens have
    spaces between them. The text of `messages` is what they say, a line each.
    """
    if isinstance(column, tuple):
        found = [text_of(record, name) for name in column if name in record]
        return "\n".join(found) if found else text_of(record, column[0])
    if column in record:
        value = record[column]
        if isinstance(value, list) and all(isinstance(item, dict) and "content" in item for item in value):
            return "\n".join(str(item["content"]) for item in value)
        return str(value)
    if "words" in record:
        return "".join(map(str, record["words"]))
    return " ".join(map(str, record.get("tokens", ())))


def truth_of(record: Record) -> str | None:
    """What a record says of its text, its label, entities, tags or words, as one comparable text; None without any."""
    for column in ("label", "labels", "entities", "tags", "words"):
        if column in record:
            value = record[column]
            return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)
    return None


def labels_of(record: Record) -> list[str]:
    """Its label, or each of several; numbers to be predicted are no labels."""
    label = record.get("label", record.get("labels"))
    return [label] if isinstance(label, str) else list(map(str, label)) if isinstance(label, list) else []


def entity_labels(record: Record) -> list[str]:
    """The label of each of its entities, of spans and tags alike."""
    found = [str(entity["label"]) for entity in record.get("entities", ())]
    return found + [tag[2:] for tag in record.get("tags", ()) if tag.startswith("B-")]
