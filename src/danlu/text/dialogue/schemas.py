"""JSON schemas of what tools take, made part of a larger schema."""

from typing import Any

_NAMES = {"properties", "patternProperties", "$defs", "definitions", "dependentSchemas"}
"""Keys whose value has names of its own, each with a schema."""

_DATA = {"enum", "const", "required"}
"""Keys whose value is no schema."""

_WORDS = {"$id", "$schema", "$comment", "title", "description", "examples", "default", "deprecated"}
"""Keys that do not say what may be written."""


def rebased(schema: Any, base: str) -> Any:
    """A schema that will stand at a place of a larger one: references within it lead there, words are left out."""
    if isinstance(schema, list):
        return [rebased(each, base) for each in schema]
    if not isinstance(schema, dict):
        return schema
    found: dict[str, Any] = {}
    for key, value in schema.items():
        if key in _WORDS:
            continue
        if key == "$ref" and isinstance(value, str) and value.startswith("#"):
            found[key] = base + value[1:]
        elif key in _NAMES and isinstance(value, dict):
            found[key] = {name: rebased(each, base) for name, each in value.items()}
        else:
            found[key] = value if key in _DATA else rebased(value, base)
    return found
