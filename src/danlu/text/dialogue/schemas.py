"""JSON schemas of what tools take: made part of a larger schema, and what a text is by one."""

import ast
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
_LONGEST = 10_000  # characters of a list that is read as Python writes it
_PYTHON = {"True": True, "False": False, "None": None}
"""What templates write of values that they give to Python's `str`."""

_MOST = 200  # schemas that are looked at for the types of one value


def properties_of(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schemas of an object's values by their keys; none where none are told."""
    told = schema.get("properties")
    return told if isinstance(told, Mapping) else {}


def kinds_of(schema: Any, root: Mapping[str, Any]) -> frozenset[str]:
    """The types that a value may have, in JSON schema's words; none where nothing is said."""
    found, waiting, seen = set[str](), [schema], set[str]()
    for _ in range(_MOST):
        if not waiting:
            break
        here = waiting.pop()
        if not isinstance(here, Mapping):
            continue
        if isinstance(told := here.get("type"), str | list):
            found.update([told] if isinstance(told, str) else [each for each in told if isinstance(each, str)])
        elif isinstance(told := here.get("enum", [here["const"]] if "const" in here else None), list):
            found.update(_KINDS.get(type(each), "null") for each in told)
        else:
            several = [here.get(name) for name in ("anyOf", "oneOf", "allOf")]
            waiting += [each for told in several if isinstance(told, list) for each in told[:_MOST]]
            if isinstance(reference := here.get("$ref"), str) and reference not in seen:
                seen.add(reference)
                waiting.append(_referred(reference, root))
    return frozenset(found)


def _referred(reference: str, root: Mapping[str, Any]) -> Any:
    """What stands at a place of a schema, such as `#/$defs/Day`; None where nothing does."""
    place: Any = root if reference.startswith("#/") else None
    for name in reference[2:].split("/"):
        key = name.replace("~1", "/").replace("~0", "~")
        place = place.get(key) if isinstance(place, Mapping) else None
    return place


def valued(text: str, schema: Any, root: Mapping[str, Any]) -> Any:
    """The value that a text is by its schema: itself where that is a string, else what it says in JSON.

    Of a value whose schema says nothing, numbers, truth values, lists and objects are such. What Python's `str` makes
    of a list or an object is read where the schema wants one.
    """
    kinds = kinds_of(schema, root)
    if kinds == {"string"}:
        return text
    value: Any = _PYTHON.get(text.strip(), text)
    if value is text:
        with suppress(Refusal, ValueError):
            value = parse(text, "argument")
            json.dumps(value, allow_nan=False)
    if value is text and kinds & {"array", "object"} and len(text) < _LONGEST:
        with suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            json.dumps(read := ast.literal_eval(text.strip()), allow_nan=False)
            value = read if isinstance(read, list | dict) else value
    try:
        json.dumps(value, allow_nan=False)
    except (ValueError, RecursionError):
        return text
    kind = type_of(value)
    fits = kind in kinds or (kind == "integer" and "number" in kinds)
    return value if fits or (kind != "string" and "string" not in kinds) else text


def type_of(value: Any) -> str:
    """The type of a value in JSON schema's words."""
    return "null" if value is None else _KINDS[type(value)]


def guided(schema: Mapping[str, Any]) -> str:
    """A schema in Lark's form as llguidance reads it: JSON as templates write it, and words that it does not know."""
    own = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "lenient": True}
    return f"%json {json.dumps({'x-guidance': own, **schema})}"


def literal(words: str) -> str:
    """Words, and the white space around and between them, in Lark's form, whose `SPACE` is white space."""
    return " ".join(["SPACE", *(f"{json.dumps(word, ensure_ascii=False)} SPACE" for word in words.split())])
