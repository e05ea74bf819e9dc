"""What parts, their keys and commands say of themselves, in English as the code has it or in Chinese.

The Chinese is the catalogue `locale/zh/LC_MESSAGES/parts.po`; compile it with
`pybabel compile -d src/danlu/locale -D parts`. A test names what is missing or stale.
"""

import inspect
import re
from collections.abc import Callable
from typing import Any

from danlu.language import translator

TYPES = {
    r"at least (\d+) long": r"长度不小于 \1",
    r"at most (\d+) long": r"长度不大于 \1",
    "whole number": "整数",
    "number": "数",
    "text": "文本",
    "true or false": "是或否",
    "any value": "任意值",
    "nothing": "空",
    "path": "路径",
    "section": "一节",
    "list of ": "列表，每项为",
    "mapping of 文本 to ": "映射，由名字到",
    "at least": "不小于",
    "at most": "不大于",
    "more than": "大于",
    "less than": "小于",
    " or ": "或",
    ", ": "，",
}
"""Words of types in Chinese, in the order in which they are replaced; names of kinds stay as they are."""


def told_by(documented: Any) -> str:
    """What the docstring of a part, a module or a command says before it comes to arguments and errors."""
    return re.split(r"\n\n?(?:Raises|Args|Returns|Yields):\n", inspect.getdoc(documented) or "")[0].strip()


def in_language(language: str) -> Callable[[str], str]:
    """The function that turns what was told into `language`; what the catalogue lacks stays English."""
    translated = translator(language, "parts")
    return lambda told: translated(told) if told else ""  # gettext answers nothing with the head of its catalogue


def holds_in(language: str, holds: str) -> str:
    """A type in the words of a language; what stands in quotes is written so in a recipe."""
    pieces = re.split(r"('[^']*')", holds)
    for english, chinese in TYPES.items() if language == "zh" else ():
        whole = re.escape(english) if " " in (english[0], english[-1]) else rf"(?<![a-z]){english}(?![a-z])"
        pieces[::2] = [re.sub(whole, chinese, piece) for piece in pieces[::2]]
    return "".join(pieces)


def schema_in(language: str, schema: Any) -> Any:
    """A JSON Schema whose descriptions are told in a language."""
    said = in_language(language)

    def translated(node: Any) -> Any:
        if isinstance(node, list):
            return [translated(each) for each in node]
        if not isinstance(node, dict):
            return node
        plain = isinstance(node.get("description"), str)  # a key may be called so as well
        return {
            name: said(value) if plain and name == "description" else translated(value) for name, value in node.items()
        }

    return translated(schema)
