"""JSON schemas of what tools take: made part of a larger schema, and what a text is by one."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
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
_TYPES = frozenset({*_KINDS.values(), "null"})
_NARROWS = {"$ref", "type", "enum", "const", "anyOf", "oneOf", "allOf", "properties"}
_LONGEST = 10_000  # characters of a list that is read as Python writes it
_PYTHON = {"True": True, "False": False, "None": None}
"""What templates write of values that they give to Python's `str`."""

_STEPS = 10  # from a reference to what it means
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


def members_of(schema: Any, root: Mapping[str, Any]) -> list[tuple[str, Any, bool]]:
    """Keys of an object with their schemas, and whether they are needed; parts of `allOf` are put together."""
    found, needed, waiting = dict[str, Any](), dict[str, None](), [schema]
    for _ in range(_MOST):
        here = referred(waiting.pop(0), root) if waiting else None
        if not isinstance(here, Mapping):
            continue
        found |= {key: inner for key, inner in properties_of(here).items() if key not in found}
        told = here.get("required")
        needed |= dict.fromkeys(key for key in told if isinstance(key, str)) if isinstance(told, list) else {}
        several = here.get("allOf")
        waiting += several[:_MOST] if isinstance(several, list) else []
    return [
        (key, inner, key in needed) for key, inner in ({key: {} for key in needed if key not in found} | found).items()
    ]


def ways_of(schema: Any, root: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """The ways in which a value may be written: "const" and what it is, or its type and the schema of that.

    Where nothing is said, or more than can be followed, "any".
    """
    found, waiting = list[tuple[str, Any]](), [schema]
    for _ in range(_MOST):
        if not waiting:
            return found or [("any", {})]
        here = referred(waiting.pop(0), root)
        if not isinstance(here, Mapping):
            found.append(("any", {}))
            continue
        told = here.get("enum", [here["const"]] if "const" in here else None)
        if isinstance(told, list) and told:
            found += [("const", each) for each in told]
        elif (several := _told_apart(here)) is not None:
            waiting += several[:_MOST]
        else:
            kinds = kinds_of({"type": "object"} if "type" not in here and properties_of(here) else here, root)
            found += [(kind, here) for kind in sorted(kinds & _TYPES)] or [("any", {})]
    return [("any", {})]


def _told_apart(schema: Mapping[str, Any]) -> list[Any] | None:
    """The schemas of which a value is to have one, where these say more of it than the whole; else None."""
    several: list[Any] = next(
        (schema[name] for name in ("anyOf", "oneOf", "allOf") if isinstance(schema.get(name), list)), []
    )
    one = "anyOf" in schema or "oneOf" in schema or len(several) == 1
    narrow = any(isinstance(each, Mapping) and each.keys() & _NARROWS for each in several)
    return several if one and narrow and not properties_of(schema) else None


def chained(name: str, needed: Sequence[bool], between: str) -> list[str]:
    """Rules in Lark's form by which `NAMEx0`, `NAMEx1`, ... stand in order, all that are needed of them: `NAMEa0`."""
    lines = list[str]()
    for place, wanted in enumerate(needed):
        here = f"{name}x{place} {name}b{place + 1}"
        for kind, before in (("a", ""), ("b", f"{json.dumps(between)} ")):  # the first, and one behind another
            lines.append(f"{name}{kind}{place}: {before}{here}" + ("" if wanted else f" | {name}{kind}{place + 1}"))
    return [*lines, f'{name}a{len(needed)}: ""', f'{name}b{len(needed)}: ""']


def shared_in(root: Mapping[str, Any]) -> dict[str, Any]:
    """The schemas that others refer to."""
    return {name: root[name] for name in ("$defs", "definitions") if name in root}


def referred(schema: Any, root: Mapping[str, Any]) -> Any:
    """The schema that a reference leads to, over at most a few others; itself where it is none."""
    for _ in range(_STEPS):
        reference = schema.get("$ref") if isinstance(schema, Mapping) else None
        if not isinstance(reference, str):
            return schema
        schema = _referred(reference, root)
    return None


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


def literal(words: str, kept: Mapping[str, int]) -> str:
    """Words, and the white space around and between them, in Lark's form, whose `SPACE` is white space.

    `kept` are special tokens, which no text spells in a grammar.
    """
    return " ".join(["SPACE", *(f"{exactly(word, kept)} SPACE" for word in words.split())])


def exactly(words: str, kept: Mapping[str, int]) -> str:
    """Words as they stand, in Lark's form; `kept` are special tokens."""
    parts = re.split(f"({'|'.join(map(re.escape, sorted(kept, key=len, reverse=True)))})", words) if kept else [words]
    told = [f"<[{kept[part]}]>" if part in kept else json.dumps(part, ensure_ascii=False) for part in parts if part]
    return " ".join(told) or '""'
