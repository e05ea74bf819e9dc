"""One example, as a dict of plain values: `{"text": ..., "label": ...}`."""

import json
from typing import Any

Record = dict[str, Any]
"""Plain values only (text, numbers, lists and dicts of them); columns are named as the task names them."""


def text_of(record: Record, column: str = "text") -> str:
    """The text by which records are compared: that of `column`, or the `tokens` with spaces between them."""
    if column in record:
        return str(record[column])
    return " ".join(map(str, record.get("tokens", ())))


def truth_of(record: Record) -> str | None:
    """What a record says of its text, its label, entities or tags, as one comparable text; None without any."""
    for column in ("label", "labels", "entities", "tags"):
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
