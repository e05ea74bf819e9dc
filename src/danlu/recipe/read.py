"""Recipes as plain data: files and overrides in, and sentences that say which key is wrong and where.

What the sections mean is not known here: parts check themselves (`part.py`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from danlu.machine.door import opened
from danlu.recipe.part import nearest
from danlu.recipe.yaml_text import LONGEST, Keys, parse, place, refuse_strange
from danlu.refusal import Refusal

_REFERENCE = re.compile(r"@[^@:\s]+(:[\w-]+)?")


@dataclass(frozen=True)
class Written:
    """A recipe as it was written.

    - `name`: how messages call it, its path as a rule.
    - `data`: plain values.
    - `lines`: line of each key, where it came from a file.
    """

    name: str
    data: dict[str, Any]
    lines: dict[Keys, int] = field(default_factory=dict)

    def place(self, keys: Keys) -> str:
        """`file line 3: stages.clean.split`, as exactly as is known."""
        return place(self.name, keys, self.lines)


_DATA = {".csv", ".tsv", ".jsonl", ".parquet", ".arrow", ".conll", ".xlsx", ".gz", ".zip"}
"""Suffixes of files that hold data, and no recipe."""


def written(source: str | Path | Mapping[str, Any] | Written) -> Written:
    """Read a recipe from a YAML file, from the package by its bare name, or from a dict; or what was read already.

    Raises:
        Refusal: no such file, no YAML, or no mapping at the top.
    """
    if isinstance(source, Written):
        return source
    if isinstance(source, Mapping):
        given = Written("the recipe", dict(source))
        refuse_strange(given.data, given.place)
        return given
    path = Path(source)
    if path.is_file():
        if path.suffix.lower() in _DATA:
            raise Refusal(
                f"{path}: is data by its name, and no recipe; write one for it, such as: danlu init classify {path}"
            )
        return written_file(path, "a recipe is a mapping with the keys 'name' and 'stages'")
    if str(source) in packaged():
        data = (files("danlu") / "recipes" / f"{source}.yaml").read_bytes()
        return _written(str(source), data, "a recipe is a mapping with the keys 'name' and 'stages'")
    raise Refusal(_no_such_recipe(path))


def written_file(path: Path, expected: str, *, blank: bool = False) -> Written:
    """Read a YAML file that holds a mapping; `expected` says so of files of this sort, `blank` may hold nothing.

    Raises:
        Refusal: it cannot be read, is no YAML, or holds no mapping.
    """
    with opened(path, "cannot be read", "give the path of a YAML file"), path.open("rb") as file:
        data = file.read(4 * LONGEST + 1)  # what is longer is refused by its characters
    return _written(str(path), data, expected, blank=blank)


def _written(name: str, data: bytes, expected: str, *, blank: bool = False) -> Written:
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise Refusal(f"{name} line {line}: this is not UTF-8 text; save the file as UTF-8") from error
    values, lines = parse(text, name)
    if values is None and blank:
        values = {}
    if not isinstance(values, dict):
        raise Refusal(f"{name}: {expected}; what stands there is {_short(values)}")
    return Written(name, values, lines)


def packaged() -> list[str]:
    """The names of the recipes that come with the package."""
    folder = files("danlu") / "recipes"
    found = folder.iterdir() if folder.is_dir() else iter(())
    return sorted(item.name.removesuffix(".yaml") for item in found if item.name.endswith(".yaml"))


def overridden(recipe: Written, overrides: Sequence[str] | Mapping[str, Any], top: Sequence[str]) -> Written:
    """The recipe with single values replaced, each by `stage.key=value`, or a mapping of `stage.key` to values.

    `top` are the keys that stand beside the stages, such as `seed`; any other first word names a stage.

    Raises:
        Refusal: an override without '=', of an unknown stage, or into something that has no keys.
    """
    if isinstance(overrides, Mapping):
        refuse_strange(dict(overrides), Written("the overrides", {}).place)
    pairs = overrides.items() if isinstance(overrides, Mapping) else map(_split, overrides)
    for address, value in pairs:
        keys = _address(recipe, address, top)
        data: dict[str, Any] = _replaced(recipe.data, keys, value, f"the override {address}=")
        lines = {place: line for place, line in recipe.lines.items() if place[: len(keys)] != keys}
        recipe = Written(recipe.name, data, lines)
    return recipe


def keyed(settings: Sequence[str]) -> dict[str, Any]:
    """What `key=value` and `key.key=value` say, as nested plain values.

    Raises:
        Refusal: one of them has no '=', is no YAML, or goes into a value that has no keys.
    """
    found: dict[str, Any] = {}
    for setting in settings:
        address, value = _split(setting, "setting")
        found = _replaced(found, tuple(address.split(".")), value, f"the setting {address}=")
    return found


def references(part: BaseModel, keys: Keys = ()) -> Iterator[tuple[Keys, str]]:
    """Every `@stage` or `@stage:split` in a part and the parts in it: where it stands, and the stage's name.

    A text in a list or a mapping is one only where the field's type says so: labels and tokens may begin with @ too.
    """
    for name, field_of in type(part).model_fields.items():
        value = getattr(part, name)
        if isinstance(value, str) and _REFERENCE.fullmatch(value):
            yield (*keys, name), value[1:].partition(":")[0]
        else:
            yield from _within(value, (*keys, name), texts=_may_refer(field_of.annotation))


def _within(value: Any, keys: Keys, *, texts: bool) -> Iterator[tuple[Keys, str]]:
    """The references in a value that is no text; `texts` in lists and mappings may be some."""
    if isinstance(value, BaseModel):
        yield from references(value, keys)
    elif isinstance(value, Mapping | list | tuple):
        for key, item in value.items() if isinstance(value, Mapping) else enumerate(value):
            if not isinstance(item, str):
                yield from _within(item, (*keys, key), texts=texts)
            elif texts and _REFERENCE.fullmatch(item):
                yield (*keys, key), item[1:].partition(":")[0]


def _may_refer(annotation: Any) -> bool:
    """Whether a type holds one whose texts are references alone."""
    pattern = str(getattr(annotation, "pattern", None))
    return pattern.startswith("^@") or any(map(_may_refer, get_args(annotation)))


def sentences(error: ValidationError, recipe: Written) -> str:
    """What a validation error means, one line for each mistake: file, line, key, what was expected."""
    found: dict[Keys, dict[str, bool]] = {}
    for item in error.errors(include_url=False):
        keys = _existing(item["loc"], recipe.data)
        shape = item["type"].endswith("_type")  # the value has another shape than one branch of a union wants
        if item["type"] in ("missing", "unknown_key"):
            keys = (*keys, item["loc"][-1] if item["type"] == "missing" else item["ctx"]["key"])
        found.setdefault(keys, {})[_words(item)] = shape
    for keys, words in list(found.items()):
        deeper = any(other != keys and other[: len(keys)] == keys for other in found)
        fitting = [word for word, shape in words.items() if not shape]
        found[keys] = {} if deeper and not fitting else dict.fromkeys(fitting or words, False)
    return "\n".join(f"{recipe.place(keys)}: {', or: '.join(words)}" for keys, words in found.items() if words)


def _no_such_recipe(path: Path) -> str:
    if path.is_dir():
        return f"{path}: this is a folder; name the recipe file in it"
    beside = [str(other) for suffix in ("*.yaml", "*.yml") for other in sorted(path.parent.glob(suffix))]
    hint = nearest(str(path), [*beside, *packaged()]) if path.parent.is_dir() else ""
    return f"{path}: there is no such recipe{hint or '; give the path of a YAML file'}"


def _split(override: str, what: str = "override") -> tuple[str, Any]:
    address, sign, text = override.partition("=")
    if not sign or not address.strip():
        example = (
            "stage.key=value'; write for example seed=1" if what == "override" else "key=value'; write for example "
        )
        example += "" if what == "override" else "delimiter=';', or give only one file"
        raise Refusal(f"the {what} '{override}' is no '{example}")
    if what == "setting" and len(text) == 1:  # a delimiter: quotes and signs of YAML mean themselves
        return address.strip(), text if not text.isdecimal() else int(text)
    if _REFERENCE.fullmatch(text):  # YAML wants quotes around it, which a shell would take away
        return address.strip(), text
    try:
        value = parse(text, f"the {what} '{override}'")[0]
    except Refusal as error:
        if "'" in text:
            raise
        raise Refusal(f"{error}, or to mean text write {_quoted(address, text)}") from None
    is_plain = isinstance(value, str) and value != "" and text.strip().startswith(value)
    return address.strip(), text.strip() if is_plain else value  # what YAML takes for a comment is text here


def _quoted(address: str, text: str) -> str:
    return f"\"{address.strip()}='{text}'\""


def _address(recipe: Written, address: str, top: Sequence[str]) -> Keys:
    words = address.split(".")
    if words[:2] == ["search", "ranges"] and len(words) > 2:
        return ("search", "ranges", *_range(recipe, ".".join(words[2:])))
    if words[0] in top or words[0] == "stages":
        return tuple(words)
    stages = list(recipe.data["stages"]) if isinstance(recipe.data.get("stages"), dict) else []
    if words[0] not in stages:
        known = ", ".join([*map(str, stages), *top])
        raise Refusal(
            f"the override {address}= names no stage of {recipe.name}{nearest(words[0], [*map(str, stages), *top])}; "
            f"it may begin with: {known}"
        )
    return ("stages", *words)


def _range(recipe: Written, address: str) -> Keys:
    """The key of a range, which has dots itself, and what of that range is meant."""
    section = recipe.data.get("search")
    ranges = section.get("ranges") if isinstance(section, dict) else None
    known = map(str, ranges) if isinstance(ranges, dict) else ()
    key = next((each for each in known if address == each or address.startswith(f"{each}.")), address)
    return (key, *address[len(key) :].split(".")[1:])


def _replaced(value: Any, keys: Keys, new: Any, override: str) -> Any:
    """A copy of `value` with `new` at `keys`; what aliases share elsewhere stays as it is."""
    if not keys:
        return new
    key, rest = keys[0], keys[1:]
    if isinstance(value, list):
        position = int(key) if str(key).isdecimal() else len(value)
        if position >= len(value):
            raise Refusal(f"{override} has '{key}' where a position from 0 to {len(value) - 1} of a list is meant")
        return [_replaced(item, rest, new, override) if at == position else item for at, item in enumerate(value)]
    if isinstance(value, str) and not value.startswith("@"):
        value = {"kind": value}  # `tuning: lora` is short for `tuning: {kind: lora}`
    if value is not None and not isinstance(value, dict):
        raise Refusal(f"{override} goes into {_short(value)}, which has no key '{key}'; replace the whole value")
    return {**(value or {}), key: _replaced((value or {}).get(key), rest, new, override)}


def _existing(location: tuple[int | str, ...], data: Any) -> Keys:
    """The keys of an error's location that stand in the data, without the branches of unions."""
    keys: Keys = ()
    for word in location:
        inside = range(len(data)) if isinstance(data, list) else data if isinstance(data, dict) else ()
        if word in inside:
            keys, data = (*keys, word), data[word]
    return keys


def _words(item: Any) -> str:
    kind, text = item["type"], str(item["msg"])
    if kind == "missing":
        return "this key is needed; add it"
    if kind in ("unknown_key", "kind"):
        return text
    if kind == "value_error":
        return text.removeprefix("Value error, ")
    if kind == "string_pattern_mismatch" and "@" in text:
        text = "Input should be a stage such as '@clean' or '@clean:test'"
    text = text.replace("Input should", "this should").replace("String should", "this should")
    is_no_text = kind == "string_type" and item["input"] is not None
    remedy = "; in quotes it is text: 'TEXT', on a command line \"KEY='TEXT'\"" if is_no_text else ""
    return f"{text}, not {_short(item['input'])}{remedy}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
