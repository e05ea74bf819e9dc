"""Names of classes that the datasets library (Lhoest et al., 2021) keeps beside numbers, as features of a schema."""

import json
from typing import TYPE_CHECKING, Any

from danlu.data.record import Record

if TYPE_CHECKING:
    from pyarrow import Schema

Names = dict[str, list[str]]
"""By column, the name of each class, in the order of their numbers."""


def names_in(schema: "Schema") -> Names:
    """The names in the metadata of a schema, of columns that hold numbers or lists of them; empty without any."""
    from pyarrow import types

    try:
        features = json.loads((schema.metadata or {})[b"huggingface"])["info"]["features"]
    except (KeyError, TypeError, ValueError, RecursionError):
        return {}
    found = {}
    for column in schema if isinstance(features, dict) else ():
        kind = column.type
        while types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind):
            kind = kind.value_type
        names = _names(features.get(column.name)) if types.is_integer(kind) else None
        if names:
            found[column.name] = names
    return found


def _names(feature: Any) -> list[str] | None:
    """The names of a feature, or of what its lists hold."""
    while isinstance(feature, list) and len(feature) == 1:  # older versions write a list as [feature]
        feature = feature[0]
    if not isinstance(feature, dict):
        return None
    names = feature.get("names")
    if isinstance(names, list) and all(isinstance(name, str) for name in names):
        return names
    return _names(feature["feature"]) if "feature" in feature else None


def with_names(records: list[Record], names: Names) -> list[Record]:
    """The records with names in the place of numbers; -1, which stands for no class, becomes null."""
    for column, known in names.items():
        for record in records:
            record[column] = _named(record[column], known)
    return records


def _named(value: Any, names: list[str]) -> Any:
    if isinstance(value, list):
        return [_named(item, names) for item in value]
    if not isinstance(value, int):
        return value
    return names[value] if 0 <= value < len(names) else None if value == -1 else str(value)
