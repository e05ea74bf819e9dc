"""What may be written in a recipe, told from the classes themselves: for editors and for `danlu list`."""

from dataclasses import dataclass
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
}


@dataclass(frozen=True)
class Key:
    """One key of a section: what it may hold in words, its default (None if `needed`), what it means."""

    name: str
    holds: str
    needed: bool
    default: Any
    description: str


def schema(model: type[BaseModel]) -> dict[str, Any]:
    """The JSON Schema (2020-12) of a model with all the parts that its sections may be; it names danlu's version."""
    own = {"$id": f"urn:danlu:{model.__name__.lower()}:{version('danlu')}"}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **own, **model.model_json_schema()}


def keys(part: type[Part]) -> list[Key]:
    """The keys of a part's section, in order; those of sections within it follow as `section.key`."""
    found: list[Key] = []
    for name, field in part.model_fields.items():
        needed = field.is_required()
        default = None if needed else plain_default(field.get_default(call_default_factory=True, validated_data={}))
        found.append(Key(name, in_words(field.annotation), needed, default, field.description or ""))
        for section in _sections(field.annotation):
            found += [Key(f"{name}.{key.name}", *_rest(key)) for key in keys(section)]
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


def _part_in_words(part: type[Part]) -> str:
    if part.is_promise():
        return f"a {part.__name__.lower()}"
    return kind_of(part) if hasattr(part, "folder") else "section"


def _rest(key: Key) -> tuple[str, bool, Any, str]:
    return key.holds, key.needed, key.default, key.description


def _sections(annotation: Any) -> list[type[Part]]:
    """The plain sections (parts without a kind) that a type names directly."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        return [] if hasattr(annotation, "folder") else [annotation]
    if get_origin(annotation) in (Union, UnionType, Annotated):
        return [section for argument in get_args(annotation) for section in _sections(argument)]
    return []
