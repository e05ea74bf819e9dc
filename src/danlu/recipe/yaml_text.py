"""YAML as people expect it: `1e-4` is a number, `no` is a word, a key stands once, and lines are known.

PyYAML reads YAML 1.1, where `1e-4` is text, `no` is false and `12:30` is 750. The scalars below are those of
the core schema of YAML 1.2.2 (2021). Only plain values come out: tags of Python objects are refused.
"""

import re
from typing import Any

import yaml

from danlu.refusal import Refusal

Keys = tuple[str | int, ...]
"""Where a value stands: keys of mappings and positions in lists, from the top."""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012  (PyYAML reads the class)


for _tag, _pattern, _first in (
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("null", r"~|null|Null|NULL|", "~nN"),
    ("int", r"[-+]?(0|[1-9][0-9_]*)|0x[0-9a-fA-F]+", "-+0123456789"),
    ("float", r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9]*([eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+))", "-+0123456789."),
    ("merge", r"<<", "<"),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(rf"^(?:{_pattern})$"), [*_first])
_Loader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"^$"), [""])


class _Dumper(yaml.SafeDumper):
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


_Dumper.add_representer(str, _text)


def dump(value: Any) -> str:
    """Plain values as YAML that `parse` reads back the same."""
    return yaml.dump(
        value, Dumper=_Dumper, allow_unicode=True, sort_keys=False, width=10**9
    )  # folded lines lose blanks


def parse(text: str, name: str) -> tuple[Any, dict[Keys, int]]:
    """The plain value of a YAML text, and the line (from 1) on which each of its keys stands.

    Raises:
        Refusal: no YAML, a key that stands twice, or a tag that is not plain data; names `name` and the line.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        lines: dict[Keys, int] = {}
        if node is not None:
            _walk(node, (), lines, set(), name)
        return (None if node is None else loader.construct_document(node)), lines
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name} line {mark.line + 1}" if mark else name
        problem = error.problem or error.context or ""
        remedy = 'write a reference in quotes, "@stage"' if "'@'" in problem else "mend the line"
        raise Refusal(f"{where}: this is no valid YAML: {problem}; {remedy}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        if isinstance(error, Refusal):
            raise
        raise Refusal(f"{name}: this is no valid YAML: {' '.join(str(error).split())}; mend the file") from error


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
