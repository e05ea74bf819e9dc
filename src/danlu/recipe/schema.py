"""What may be written in a recipe, told from the classes themselves: for editors, `danlu list` and the reference."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from importlib.metadata import version
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel

from danlu.recipe.part import Part, kind_of

_NAMES: dict[Any, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    type(None): "nothing",
    Any: "any value",
}

_BOUNDS = {
    "gt": "more than {}",
    "ge": "at least {}",
    "lt": "less than {}",
    "le": "at most {}",
    "multiple_of": "a multiple of {}",
    "min_length": "at least {} long",
    "max_length": "at most {} long",
}
"""What pydantic and annotated_types call the bounds of a field, in words."""


@dataclass(frozen=True)
class Key:
    """One key of a section: what it may hold in words, its default (None if `needed`), what it means, its limits."""

    name: str
    holds: str
    needed: bool
    default: Any
    description: str
    limits: str = ""


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a model with all the parts that its sections may be; it names danlu's version."""
    own = {"$id": f"urn:danlu:{model.__name__.lower()}:{version('danlu')}"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **own, **model.model_json_schema()}


def keys(part: type[BaseModel]) -> list[Key]:
    """The keys of a part's section, in order; those of sections within it follow as `section.key`.

    Where a key holds sections by names they are `key.NAME.own`, where it holds a list of them `key[].own`.
    """
    found: list[Key] = []
    for name, field in part.model_fields.items():
        needed = field.is_required()
        default = None if needed else plain_default(field.get_default(call_default_factory=True, validated_data={}))
        holds, limits = in_words(field.annotation), _limits(field.metadata)
        found.append(Key(name, holds, needed, default, field.description or "", limits))
        for within, section in _sections(field.annotation):
            found += [replace(key, name=f"{name}{within}.{key.name}") for key in keys(section)]
    return found


def plain_default(value: Any) -> Any:
    """A default as plain values."""
    if isinstance(value, Part):
        return value.to_plain()
    if isinstance(value, list | tuple):
        return [plain_default(item) for item in value]
    return value


def in_words(annotation: Any) -> str:
    """A type as people would say it: `whole number`, `'csv' or 'json'`, `list of text`, `a tokenizer`."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        words = " or ".join(repr(value) for value in arguments)
    elif origin in (Union, UnionType):
        words = " or ".join(dict.fromkeys(map(in_words, arguments)))
    elif origin is Annotated:
        words = "'@stage'" if "^@" in str(arguments[1:]) else in_words(arguments[0])
    elif origin in (list, tuple):
        words = f"list of {in_words(arguments[0])}"
    elif origin is dict:
        words = f"mapping of {in_words(arguments[0])} to {in_words(arguments[1])}"
    elif isinstance(annotation, type) and issubclass(annotation, Part):
        words = _part_in_words(annotation)
    else:
        words = _NAMES.get(annotation, str(getattr(annotation, "__name__", annotation)))
    return words


def _limits(metadata: Iterable[Any]) -> str:
    """The bounds of a field in words: `more than 0, at most 1`; empty where there are none."""
    bounds = {name: getattr(each, name) for each in metadata for name in _BOUNDS if hasattr(each, name)}
    return ", ".join(words.format(bounds[name]) for name, words in _BOUNDS.items() if name in bounds)


def _part_in_words(part: type[Part]) -> str:
    if part.is_promise():
        words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", part.__name__).lower()
        return f"an {words}" if words[0] in "aeiou" else f"a {words}"
    return kind_of(part) if hasattr(part, "folder") else "section"


def _sections(annotation: Any, within: str = "") -> list[tuple[str, type[Part]]]:
    """The plain sections (parts without a kind) that a type names, and how keys lead to them."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return [] if hasattr(annotation, "folder") else [(within, annotation)]
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType, Annotated):
        return [found for argument in arguments for found in _sections(argument, within)]
    if origin is dict:
        return _sections(arguments[1], f"{within}.NAME")
    if origin in (list, tuple):
        return _sections(arguments[0], f"{within}[]")
    return []
