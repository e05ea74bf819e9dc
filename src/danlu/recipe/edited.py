"""A value of a YAML text changed, and all else left as it was written: comments, order, how lines are laid out.

An edit is made in the text itself, where its place tells; then the text is read back. Where it does not say what was
meant, as with aliases and the rarer ways of writing, the whole is written anew with its comments above their keys.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import yaml

from danlu.recipe.commented import commented, inline
from danlu.recipe.yaml_text import Keys, parse
from danlu.refusal import Refusal

_BLOCK = 2
"""Mappings up to so deep, as a stage is, are written with a line for each key."""


def set_in(text: str, keys: Keys, value: Any) -> str:
    """The text with `value` at `keys`; mappings on the way there are made, and `lora` becomes `{kind: lora}`.

    Raises:
        Refusal: the text is no YAML, or `keys` go into what has none.
    """
    return _edited(text, _with(_values(text), keys, value), lambda: _set(text, keys, value))


def removed_from(text: str, keys: Keys) -> str:
    """The text without what stands at `keys`. Raises `Refusal` where nothing does."""
    return _edited(text, _without(_values(text), keys), lambda: _removed(text, keys))


def renamed_in(text: str, keys: Keys, name: str) -> str:
    """The text with another name for the last of `keys`, in its place. Raises `Refusal` where it is not there."""
    return _edited(text, _renamed(_values(text), keys, name), lambda: _name_replaced(text, keys, name))


def comments_in(text: str) -> tuple[dict[Keys, str], str]:
    """The comments of a text by the key below which, or beside which, they stand; and those behind the last key."""
    lines = parse(text, "the recipe")[1]
    by_line: dict[int, Keys] = {}
    for keys, line in sorted(lines.items(), key=lambda pair: len(pair[0])):
        if keys and isinstance(keys[-1], str):
            by_line.setdefault(line, keys)
    found: dict[Keys, list[str]] = {}
    for line, words in _comments(text):
        place = by_line.get(line) or next((by_line[other] for other in sorted(by_line) if other > line), ())
        found.setdefault(place, []).append(words)
    return {keys: "\n".join(words) for keys, words in found.items() if keys}, "\n".join(found.get((), []))


def _edited(text: str, meant: Any, edit: Any) -> str:
    try:
        new = edit()
        if _same(parse(new, "the recipe")[0] or {}, meant):
            return str(new)
    except (Refusal, yaml.YAMLError, ValueError, LookupError):
        pass
    comments, rest = comments_in(text)
    there = {keys: words for keys, words in comments.items() if _holds(meant, keys)}
    lost = [words for keys, words in comments.items() if keys not in there]
    return commented(meant, there, "\n".join([*lost, *([rest] if rest else [])]))


def _values(text: str) -> Any:
    found = parse(text, "the recipe")[0]
    if found is not None and not isinstance(found, dict):
        raise Refusal("the recipe: a recipe is a mapping with the keys 'name' and 'stages'")
    return found or {}


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal, the order of their keys and the types of their numbers included."""
    return json.dumps(one, ensure_ascii=False) == json.dumps(other, ensure_ascii=False)


def _with(value: Any, keys: Keys, new: Any) -> Any:
    if not keys:
        return new
    key, rest = keys[0], keys[1:]
    if isinstance(value, list) and isinstance(key, int) and 0 <= key <= len(value):
        inner = value[key] if key < len(value) else None
        return [*value[:key], _with(inner, rest, new), *value[key + 1 :]]
    if isinstance(value, str) and value and not value.startswith("@"):
        value = {"kind": value}
    if isinstance(key, str) and (value is None or isinstance(value, dict)):
        return {**(value or {}), key: _with((value or {}).get(key), rest, new)}
    raise Refusal(f"'{key}' cannot stand in {inline(value):.60}; replace the whole value")


def _without(value: Any, keys: Keys) -> Any:
    key, rest = keys[0], keys[1:]
    if not _holds(value, keys[:1]):
        raise Refusal(f"there is no '{key}' that could be left out")
    if isinstance(value, list):
        inner = [] if not rest else [_without(value[key], rest)]  # type: ignore[index]
        return [*value[: int(key)], *inner, *value[int(key) + 1 :]]
    return {name: item if name != key else _without(item, rest) for name, item in value.items() if name != key or rest}


def _renamed(value: Any, keys: Keys, name: str) -> Any:
    if not _holds(value, keys) or not isinstance(keys[-1], str):
        raise Refusal(f"there is no '{keys[-1]}' that could be renamed")
    if len(keys) > 1:
        return _with(value, keys[:1], _renamed(value[keys[0]], keys[1:], name))
    if name in value:
        raise Refusal(f"'{name}' is there already; choose another name")
    return {name if key == keys[0] else key: item for key, item in value.items()}


def _holds(value: Any, keys: Sequence[str | int]) -> bool:
    for key in keys:
        entry = isinstance(value, list) and isinstance(key, int) and 0 <= key < len(value)
        if not entry and not (isinstance(value, dict) and key in value):
            return False
        value = value[key]
    return True


def _set(text: str, keys: Keys, value: Any) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if root is None:
        return f"{text.rstrip()}\n" * bool(text.strip()) + commented(_with({}, keys, value), {})
    node, depth = root, 0
    while depth < len(keys) and (inner := _child(node, keys[depth])) is not None:
        node, depth = inner, depth + 1
    rest = keys[depth:]
    if rest and isinstance(node, yaml.MappingNode | yaml.SequenceNode) and node.value:
        return _added(text, node, rest, value)
    if rest:  # nothing yet, an empty list or mapping, or a kind alone
        value = _with(_values(text) if depth == 0 else _at(_values(text), keys[:depth]), rest, value)
    return _replaced(text, node, keys[:depth], value)


def _at(value: Any, keys: Keys) -> Any:
    for key in keys:
        value = value[key]
    return value


def _child(node: yaml.Node, key: str | int) -> yaml.Node | None:
    if isinstance(node, yaml.MappingNode):
        return next((value for name, value in node.value if name.value == key), None)
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        inner: yaml.Node = node.value[key]
        return inner
    return None


def _replaced(text: str, node: yaml.Node, keys: Keys, value: Any) -> str:
    begin, end = node.start_mark.index, _end(text, node)
    space = "" if begin and text[begin - 1 : begin] in (" ", "\n", "[", "{") else " "
    if _in_block(keys, value) and isinstance(node, yaml.MappingNode) and not node.flow_style:
        lines = commented(value, {}).rstrip("\n").split("\n")
        margin = " " * node.start_mark.column
        return text[:begin] + f"\n{margin}".join(lines) + text[end:]
    return (
        text[:begin].rstrip(" \n" if _stands_below(text, node) else "")
        + (" " if _stands_below(text, node) else space) * (begin > 0)
        + inline(value)
        + text[end:]
    )


def _stands_below(text: str, node: yaml.Node) -> bool:
    """Whether a mapping or list begins on a line of its own, below the key that it belongs to."""
    if not isinstance(node, yaml.CollectionNode) or node.flow_style:
        return False
    line = text[text.rfind("\n", 0, node.start_mark.index) + 1 : node.start_mark.index]
    return not line.strip() and node.start_mark.index > 0


def _added(text: str, node: Any, keys: Keys, value: Any) -> str:
    """The text with a key more in a mapping, or an entry more in a list."""
    for key in reversed(keys[1:]):
        value = {key: value}
    named = isinstance(node, yaml.MappingNode)
    written = f"{inline(keys[0])}: {inline(value)}" if named else inline(value)
    end = _end(text, node)
    if node.flow_style:
        before = text[: end - 1].rstrip()
        return f"{before}{'' if before.endswith(',') else ','} {written}{text[end - 1 :]}"
    margin = " " * node.start_mark.column
    if named and _in_block(keys, value, len(margin) // 2):
        inner = commented(value, {}).rstrip("\n").split("\n")
        written = "\n".join([f"{inline(keys[0])}:", *(f"{margin}  {line}" for line in inner)])
    line = text.find("\n", end)
    line = len(text) if line < 0 else line
    return f"{text[:line]}\n{margin}{'' if named else '- '}{written}{text[line:]}"


def _in_block(keys: Keys, value: Any, above: int = 0) -> bool:
    return isinstance(value, dict) and bool(value) and above + len(keys) <= _BLOCK


def _removed(text: str, keys: Keys) -> str:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    parent: Any = root
    for key in keys[:-1]:
        parent = _child(parent, key)
    if parent.flow_style or len(parent.value) == 1:
        return _replaced(text, parent, keys[:-1], _without(_at(_values(text), keys[:-1]), keys[-1:]))
    entry = next((pair for pair in parent.value if isinstance(pair, tuple) and pair[0].value == keys[-1]), None)
    first, last = entry if entry is not None else (parent.value[int(keys[-1])],) * 2
    begin = text.rfind("\n", 0, first.start_mark.index) + 1
    if text[begin : first.start_mark.index].strip(" -"):
        raise ValueError  # it stands behind something else on its line
    end = text.find("\n", _end(text, last))
    return text[:begin] + (text[end + 1 :] if end >= 0 else "")


def _name_replaced(text: str, keys: Keys, name: str) -> str:
    parent: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    for key in keys[:-1]:
        parent = _child(parent, key)
    key = next(pair[0] for pair in parent.value if pair[0].value == keys[-1])
    return text[: key.start_mark.index] + inline(name) + text[key.end_mark.index :]


def _end(text: str, node: Any) -> int:
    """Where a value ends: PyYAML lets those that have no bracket reach to what comes next."""
    if isinstance(node, yaml.ScalarNode):
        begin = int(node.start_mark.index)
        return begin + len(text[begin : node.end_mark.index].rstrip())
    if node.flow_style or not node.value:
        return int(node.end_mark.index)
    last = node.value[-1]
    ends = [_end(text, part) for part in (last if isinstance(last, tuple) else (last,))]
    return max(ends)


def _comments(text: str) -> Iterator[tuple[int, str]]:
    """The line of each comment, from 1, and its words: what stands behind a # between the tokens."""
    before = 0
    for token in yaml.scan(text, Loader=yaml.SafeLoader):
        begin, end = token.start_mark.index, token.end_mark.index
        yield from _in_gap(text, before, begin)
        before = max(before, end)
    yield from _in_gap(text, before, len(text))


def _in_gap(text: str, begin: int, end: int) -> Iterator[tuple[int, str]]:
    line = text.count("\n", 0, begin) + 1
    for number, part in enumerate(text[begin:end].split("\n"), line):
        _, sign, words = part.partition("#")
        if sign:
            yield number, words.strip()
