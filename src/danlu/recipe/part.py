"""Parts: settings whose `kind` is the name of the file that implements them.

A promise is a subclass of `Part` that names the package its implementations live in:

    class Method(Part):
        folder: ClassVar[str] = "danlu.tuning.methods"

`danlu/tuning/methods/lora.py` then holds exactly one subclass of `Method`, and a recipe reaches it by
`kind: lora`. Nothing is registered: the lookup below imports one file, and only when it is asked for.
Packages from outside join through an entry point group named after the folder (`danlu.methods`).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import cache
from importlib.metadata import entry_points
from typing import Any, ClassVar, TypeVar, cast

from pydantic import BaseModel, ConfigDict, GetJsonSchemaHandler, model_serializer, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

PartType = TypeVar("PartType", bound="Part")

_being_described: set[type] = set()


class Part(BaseModel):
    """A section of a recipe: frozen, typed fields; unknown keys are errors with the nearest spelling."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    folder: ClassVar[str]

    @property
    def kind(self) -> str:
        """The name of this part in a recipe: the name of its file."""
        return kind_of(type(self))

    @classmethod
    def is_promise(cls) -> bool:
        """Whether this class is a contract whose implementations lie in its own folder."""
        return "folder" in cls.__dict__

    @model_validator(mode="wrap")
    @classmethod
    def _find_implementation(cls, value: Any, handler: Callable[[Any], Any]) -> Any:
        if isinstance(value, str) and cls.is_promise():
            value = {"kind": value}
        if not isinstance(value, dict):
            return handler(value)
        fields = {key: item for key, item in value.items() if key != "kind"}
        if cls.is_promise():
            return find(cls, _stated_kind(cls, value)).model_validate(fields)
        if "kind" in value and value["kind"] != kind_of(cls):
            raise PydanticCustomError("kind", "expected kind '{kind}'", {"kind": kind_of(cls)})
        _refuse_unknown_keys(cls, fields)
        return handler(fields)

    @model_serializer(mode="wrap")
    def _name_kind(self, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        named = hasattr(type(self), "folder") and not type(self).is_promise()
        return ({"kind": self.kind} if named else {}) | handler(self)

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        if not cls.is_promise():
            return handler(core_schema)
        if cls in _being_described:  # a part may hold another one of its own promise
            return {"anyOf": [{"enum": kinds(cls)}, {"type": "object", "required": ["kind"]}]}
        _being_described.add(cls)
        try:
            return {"anyOf": [{"enum": kinds(cls)}, *(_schema_of(find(cls, kind), handler) for kind in kinds(cls))]}
        finally:
            _being_described.discard(cls)

    def inputs(self) -> list[str]:
        """Files and folders whose content the section depends on: what its field `path` says, as a rule."""
        path = getattr(self, "path", None)
        return [path] if isinstance(path, str) else []

    def to_plain(self) -> dict[str, Any]:
        """The section as plain data that reads back into an equal part."""
        return self.model_dump(mode="json", serialize_as_any=True)

    def as_written(self) -> dict[str, Any]:
        """The same without what was left to defaults, so that what is read back still knows what was chosen."""
        return self.model_dump(mode="json", serialize_as_any=True, exclude_unset=True)


def kind_of(part: type[Part]) -> str:
    """The recipe name of an implementation: the last word of its module's name."""
    return part.__module__.rpartition(".")[2]


def kinds(promise: type[Part]) -> list[str]:
    """The names that a promise can be kept by, sorted: files of its folder and entry points."""
    return sorted({*_files(promise), *_entry_points(promise)})


@cache
def _find(promise: type[Part], kind: str) -> type[Part]:
    if kind in _files(promise):
        module = importlib.import_module(f"{promise.folder}.{kind}")
    elif kind in _entry_points(promise):
        module = importlib.import_module(_entry_points(promise)[kind])
    else:
        raise PydanticCustomError(
            "kind",
            "there is no {promise} '{kind}'{hint}; there are: {kinds}",
            {
                "promise": promise.__name__.lower(),
                "kind": kind,
                "hint": nearest(kind, kinds(promise)),
                "kinds": ", ".join(kinds(promise)),
            },
        )
    found = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, promise) and member.__module__ == module.__name__
    ]
    assert len(found) == 1, f"{module.__name__} must define exactly one {promise.__name__}, not {found}"
    return found[0]


def find(promise: type[PartType], kind: str) -> type[PartType]:
    """The class that keeps a promise under a name; imports its file.

    Raises a validation error that names the nearest spelling if there is none.
    """
    return cast(type[PartType], _find(promise, kind))


def nearest(word: str, words: list[str]) -> str:
    """`; did you mean 'x'?` for a misspelt word, or nothing."""
    cutoff = 0.6 if word.isascii() or len(word) > 3 else 0.5  # of two Chinese characters one may be wrong
    close = get_close_matches(word, words, n=1, cutoff=cutoff)
    return f"; did you mean '{close[0]}'?" if close else ""


def _files(promise: type[Part]) -> list[str]:
    paths = importlib.import_module(promise.folder).__path__
    return [module.name for module in pkgutil.iter_modules(paths) if not module.name.startswith("_")]


def _entry_points(promise: type[Part]) -> dict[str, str]:
    return _joined(f"danlu.{promise.folder.rpartition('.')[2]}", tuple(sys.path))


@cache
def _joined(group: str, path: tuple[str, ...]) -> dict[str, str]:
    """Names and modules of a group of entry points."""
    return {point.name: point.value for point in _points(path).select(group=group)}


@cache
def _points(_path: tuple[str, ...]) -> Any:
    """All entry points, of a type that differs by Python: all of `sys.path` is read for them, some 30 ms each time."""
    return entry_points()


def _stated_kind(promise: type[Part], value: dict[str, Any]) -> str:
    kind = value.get("kind")
    if not isinstance(kind, str):
        raise PydanticCustomError(
            "kind",
            "needs a 'kind': one of {kinds}",
            {"kinds": ", ".join(kinds(promise))},
        )
    return kind


def _refuse_unknown_keys(part: type[Part], fields: dict[str, Any]) -> None:
    known = list(part.model_fields)
    for key in fields:
        if key not in known:
            raise PydanticCustomError(
                "unknown_key",
                "unknown key '{key}'{hint}; the keys are: {known}",
                {"key": key, "hint": nearest(str(key), known), "known": ", ".join(known)},
            )


def _schema_of(part: type[Part], handler: GetJsonSchemaHandler) -> JsonSchemaValue:
    schema = handler(part.__pydantic_core_schema__)
    fields = handler.resolve_ref_schema(schema)  # pydantic writes a part out in place, or refers to it
    fields["properties"] = {"kind": {"const": kind_of(part)}} | fields.get("properties", {})
    needed = [] if schema is not fields else fields.get("required", [])
    return schema | {"required": ["kind", *needed]}
