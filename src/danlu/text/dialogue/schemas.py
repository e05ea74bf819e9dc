"""JSON schemas of what tools take: made part of a larger schema, and what a text is by one."""

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from danlu.data.reading.json_text import parse
from danlu.refusal import Refusal

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


_KINDS: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}
_PYTHON = {"True": True, "False": False, "None": None}
"""What templates write of values that they give to Python's `str`."""

_DEEPEST = 8  # references and alternatives within each other


def kinds_of(schema: Any, root: Mapping[str, Any], depth: int = 0) -> frozenset[str]:
    """The types that a value may have, in JSON schema's words; none where nothing is said."""
    if not isinstance(schema, Mapping) or depth > _DEEPEST:
        return frozenset()
    if isinstance(told := schema.get("type"), str | list):
        return frozenset([told] if isinstance(told, str) else [each for each in told if isinstance(each, str)])
    if isinstance(told := schema.get("enum", [schema["const"]] if "const" in schema else None), list):
        return frozenset(_KINDS.get(type(each), "null") for each in told)
    inner = [
        each for name in ("anyOf", "oneOf", "allOf") if isinstance(schema.get(name), list) for each in schema[name]
    ]
    if isinstance(reference := schema.get("$ref"), str) and reference.startswith("#/"):
        place: Any = root
        for name in reference[2:].split("/"):
            place = place.get(name) if isinstance(place, Mapping) else None
        inner.append(place)
    return frozenset().union(*(kinds_of(each, root, depth + 1) for each in inner))


def valued(text: str, schema: Any, root: Mapping[str, Any]) -> Any:
    """The value that a text is by its schema: itself where that is a string, else what it says in JSON.

    Of a value whose schema says nothing, numbers, truth values, lists and objects are such.
    """
    kinds = kinds_of(schema, root)
    if kinds == {"string"}:
        return text
    value = _PYTHON.get(text.strip(), text)
    if value is text:
        with suppress(Refusal):
            value = parse(text, "argument")
    kind = "null" if value is None else _KINDS[type(value)]
    fits = kind in kinds or (kind == "integer" and "number" in kinds)
    return value if fits or (kind != "string" and "string" not in kinds) else text


def literal(words: str) -> str:
    """Words, and the white space around and between them, in Lark's form, whose `SPACE` is white space."""
    return " ".join(["SPACE", *(f"{json.dumps(word, ensure_ascii=False)} SPACE" for word in words.split())])
