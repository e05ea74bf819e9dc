"""YAML as people expect it: `1e-4` is a number, `no` is a word, a key stands once, and lines are known.

PyYAML reads YAML 1.1, where `1e-4` is text, `no` is false and `12:30` is 750. The scalars below are those of
the core schema of YAML 1.2.2 (2021). Only plain values come out: tags of Python objects are refused.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

import yaml

from danlu.refusal import Refusal

Keys = tuple[str | int, ...]
"""Where a value stands: keys of mappings and positions in lists, from the top."""


LONGEST = 2**18
"""Characters of a recipe; PyYAML reads them in about two seconds, and long recipes have a tenth of them."""

_MOST_VALUES = 50_000
"""Values of a recipe with its aliases written out; a list of ten thousand labels is far below it."""

_DEEPEST = 40
"""Lists and mappings within each other; sections are some six deep."""

_TOO_DEEP = f"lists or mappings lie more than {_DEEPEST} deep"


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  (PyYAML reads the class)

    yaml_constructors = {  # noqa: RUF012  (dates, bytes, sets and pairs are no values of a recipe)
        tag: made
        for tag, made in yaml.SafeLoader.yaml_constructors.items()
        if str(tag).rpartition(":")[2] not in ("timestamp", "binary", "set", "omap", "pairs")
    }

    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """A node, before what lies too deep in it is read: PyYAML takes seconds for a thousand brackets."""
        self.depth += 1
        if self.depth > _DEEPEST and parent is not None:
            raise yaml.composer.ComposerError(None, None, _TOO_DEEP, parent.start_mark)
        found = super().compose_node(parent, index)
        self.depth -= 1
        return found

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node; what a tag's own reader raises (KeyError, IndexError, ...) gets the line."""
        try:
            return super().construct_object(node, deep)
        except yaml.YAMLError:
            raise
        except Exception as error:
            tag = str(node.tag).replace("tag:yaml.org,2002:", "!!")
            raise yaml.constructor.ConstructorError(
                None, None, f"this is no {tag} that can be read", node.start_mark
            ) from error


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("int", r"[-+]?(0|[1-9][0-9_]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+))", "-+0123456789."),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), [*_first])
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])


class Dumper(yaml.SafeDumper):
    """Quotes what either YAML 1.1 or the core schema would take for something else than text."""

    yaml_implicit_resolvers = {  # noqa: RUF012  (PyYAML reads the class)
        first: yaml.SafeDumper.yaml_implicit_resolvers.get(first, []) + _Loader.yaml_implicit_resolvers.get(first, [])
        for first in {*yaml.SafeDumper.yaml_implicit_resolvers, *_Loader.yaml_implicit_resolvers}
    }

    def ignore_aliases(self, data: Any) -> bool:
        """Write shared values out in full."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = '"' if "\x85" in value else None  # PyYAML takes that character for an end of line in other styles
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


Dumper.add_representer(str, _text)


def dump(value: Any) -> str:
    """Plain values as YAML that `parse` reads back the same."""
    return yaml.dump(value, Dumper=Dumper, allow_unicode=True, sort_keys=False, width=10**9)  # folded lines lose blanks


def parse(text: str, name: str, longest: int = LONGEST) -> tuple[Any, dict[Keys, int]]:
    """The plain value of a YAML text, and the line (from 1) on which each of its keys stands.

    Raises:
        Refusal: no YAML, a key that stands twice, a tag that is not plain data, or too much; names `name` and the
            line.
    """
    if len(text) > longest:
        raise Refusal(f"{name}: has more than {longest:,} characters, which no recipe has; check the file")
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None, {}
        lines: dict[Keys, int] = {}
        _refuse_endless(node, _inner_nodes, lambda node: f"{name} line {node.start_mark.line + 1}")
        _walk(node, (), lines, set(), name)
        value = loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name} line {mark.line + 1}" if mark else name
        problem = error.problem or error.context or ""
        remedy = 'write a reference in quotes, "@stage"' if "'@'" in problem else "mend the line"
        raise Refusal(f"{where}: this is no valid YAML: {problem}; {remedy}") from error
    except (yaml.YAMLError, ValueError) as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal(f"{name}: this is no valid YAML: {' '.join(str(error).split())}; mend the file") from error
    refuse_strange(value, lambda keys: place(name, keys, lines))
    return value, lines


def refuse_strange(value: Any, place: Callable[[Keys], str]) -> None:
    """Refuse what no section can mean: numbers beyond 64 bits, halves of characters, zero characters, endless values.

    Raises:
        Refusal: names `place(keys)` of the value.
    """
    _refuse_endless(value, _inner_values, lambda _: place(()))
    waiting: list[tuple[Keys, Any]] = [((), value)]
    while waiting:
        keys, item = waiting.pop()
        if isinstance(item, int) and not -(2**63) <= item < 2**63:
            raise Refusal(f"{place(keys)}: the number has more than 64 bits; write a smaller one")
        if isinstance(item, str) and _UNWRITABLE.search(item):
            raise Refusal(f"{place(keys)}: holds a zero or half a character, which no file can hold; write it out")
        if isinstance(item, dict):
            waiting += [((*keys, "(a key)"), key) for key in item if isinstance(key, str)]
        inner = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list | tuple) else ()
        waiting += [((*keys, key), inside) for key, inside in inner]


_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")


def _refuse_endless(root: Any, inside: Callable[[Any], Iterable[Any]], place: Callable[[Any], str]) -> None:
    """Refuse what lies too deep or is too much, counted as if every alias were written out; ends on a circle, too."""
    waiting, seen = [(root, 0)], 0
    while waiting:
        item, depth = waiting.pop()
        seen += 1
        if depth > _DEEPEST:
            raise Refusal(f"{place(item)}: {_TOO_DEEP}; mend the file")
        if seen > _MOST_VALUES:
            raise Refusal(f"{place(root)}: holds more than {_MOST_VALUES:,} values, aliases written out; mend the file")
        waiting += [(inner, depth + 1) for inner in inside(item)]


def _inner_nodes(node: yaml.Node) -> Iterable[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [part for pair in node.value for part in pair]
    return node.value if isinstance(node, yaml.SequenceNode) else ()


def _inner_values(value: Any) -> Iterable[Any]:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()


def place(name: str, keys: Keys, lines: dict[Keys, int]) -> str:
    """`file line 3: stages.clean.split`, as exactly as is known."""
    known = next((keys[:end] for end in range(len(keys), 0, -1) if keys[:end] in lines), None)
    line = f" line {lines[known]}" if known else ""
    return f"{name}{line}: {'.'.join(map(str, keys))}" if keys else f"{name}{line}"


def _walk(node: yaml.Node, keys: Keys, lines: dict[Keys, int], seen: set[int], name: str) -> None:
    lines.setdefault(keys, node.start_mark.line + 1)
    if id(node) in seen:  # an alias: walked where it was written
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        stood: dict[str, int] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # the constructor says that a list or mapping can be no key
            line = key.start_mark.line + 1
            if key.value in stood and key.value != "<<":
                raise Refusal(
                    f"{name} line {line}: the key '{key.value}' stands twice, first on line {stood[key.value]}; "
                    "keep one of the two"
                )
            stood[key.value] = line
            lines[(*keys, key.value)] = line
            _walk(value, (*keys, key.value), lines, seen, name)
    elif isinstance(node, yaml.SequenceNode):
        for position, item in enumerate(node.value):
            _walk(item, (*keys, position), lines, seen, name)
