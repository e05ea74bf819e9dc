"""A recipe as text with comments, which `danlu.recipe.yaml_text` reads back as it was.

Sections lie open, a key a line; what is deeper stands on one line. PyYAML writes the values, so nothing of what is
hostile about them is our business, and what is written is read back before it is handed out.
"""

import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from danlu.recipe.yaml_text import Dumper, Keys, parse

WIDTH = 110  # columns of a comment

_OPEN = 3
"""Mappings up to so deep have a line for each key: the recipe, its stages, the sections of a stage."""


class _Inline(Dumper):
    r"""Texts with line ends and the like as `"a\nb"`, so that a value stays on its line."""


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    style = None if value.isprintable() and value[:1] not in ("@", "=") else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Inline.add_representer(str, _text)


def commented(recipe: Mapping[str, Any], comments: Mapping[Keys, str], head: str = "") -> str:
    """The recipe as YAML: `head` above all, and each comment above the key that its place names."""
    text = "".join(f"{line}\n" for line in [*_comment(head, 0), *_lines(recipe, (), comments)])
    assert parse(text, "the recipe")[0] == recipe
    return text


def inline(value: Any) -> str:
    """A plain value on one line of YAML."""
    text = yaml.dump(value, Dumper=_Inline, allow_unicode=True, sort_keys=False, default_flow_style=True, width=10**9)
    return text.removesuffix("\n").removesuffix("\n...")


def _lines(value: Mapping[str, Any], above: Keys, comments: Mapping[Keys, str]) -> Iterator[str]:
    margin = "  " * len(above)
    for key, item in value.items():
        place = (*above, key)
        yield from _comment(comments.get(place, ""), len(above))
        if isinstance(item, dict) and item and len(place) < _OPEN:
            yield f"{margin}{inline(key)}:"
            yield from _lines(item, place, comments)
        elif isinstance(item, list) and len(item) > 1 and all(isinstance(each, dict) for each in item):
            yield f"{margin}{inline(key)}:"
            yield from (f"{margin}  - {inline(each)}" for each in item)
        else:
            yield f"{margin}{inline(key)}: {inline(item)}"


def _comment(text: str, depth: int) -> list[str]:
    """A comment in lines of its own; what cannot be seen, as names of columns may bring it, is left out."""
    seen = ["".join(sign if sign.isprintable() else " " for sign in line) for line in text.split("\n")]
    return [
        f"{'  ' * depth}# {line}".rstrip()
        for long in seen
        for line in (textwrap.wrap(long, WIDTH, break_long_words=False, break_on_hyphens=False) if text else [])
    ]
