"""The Chinese catalogue: complete, fresh, and with the same fields in its sentences."""

import ast
import gettext
import re
import string
from functools import cache
from pathlib import Path

import pytest

from danlu.language import default, translator

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "danlu"
CATALOGUE = SOURCE / "locale" / "zh" / "LC_MESSAGES" / "danlu.po"
CALLED = re.compile(r"\b(_|translator)\s*\(")
"""Stands in every file that marks a message; the others are not parsed."""
COMPILE = "pybabel compile -d src/danlu/locale -D danlu"


@cache
def marked() -> dict[str, str]:
    """Every message that the code marks, `_("...")` or `translator(...)("...")`, and where it stands."""
    found = {}
    for file in sorted(SOURCE.rglob("*.py")):
        text = file.read_text(encoding="utf-8")
        for node in ast.walk(ast.parse(text)) if CALLED.search(text) else ():
            if not (isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant)):
                continue
            called = node.func.func if isinstance(node.func, ast.Call) else node.func
            name = called.id if isinstance(called, ast.Name) else ""
            message = node.args[0].value
            whole = name == "_" or (name == "translator" and isinstance(node.func, ast.Call))
            if whole and isinstance(message, str):
                found[message] = f"{file.relative_to(ROOT)}:{node.lineno}"
    return found


@cache
def written() -> dict[str, str]:
    """The catalogue's source: Chinese by English."""
    pairs, part = {}, ""
    message = {"msgid": "", "msgstr": ""}
    for line in [*CATALOGUE.read_text(encoding="utf-8").splitlines(), ""]:
        if line.startswith(("msgid ", "msgstr ")):
            part, _, line = line.partition(" ")  # noqa: PLW2901  the rest of the line is what is read on
            message[part] = ""
        if line.startswith('"'):
            message[part] += ast.literal_eval(line)
        elif not line.strip() and message["msgid"]:
            assert message["msgid"] not in pairs, f"twice in {CATALOGUE.name}: {message['msgid']}"
            pairs[message["msgid"]] = message["msgstr"]
            message = {"msgid": "", "msgstr": ""}
    return pairs


def compiled() -> dict[str, str]:
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        catalogue = gettext.GNUTranslations(file)._catalog
    return {english: chinese for english, chinese in catalogue.items() if english}


def test_every_message_in_the_code_has_its_chinese():
    pairs, messages = written(), marked()
    assert len(messages) > 50
    missing = {message: place for message, place in messages.items() if not pairs.get(message)}
    assert not missing, f"add these to {CATALOGUE.relative_to(ROOT)}, then run `{COMPILE}`: {missing}"


def test_nothing_in_the_catalogue_has_gone_out_of_use():
    unused = sorted(set(written()) - set(marked()))
    assert not unused, f"delete these from {CATALOGUE.relative_to(ROOT)}, then run `{COMPILE}`: {unused}"


def test_the_compiled_catalogue_is_that_of_the_source():
    assert compiled() == written(), f"run `{COMPILE}`"


def fields(text: str) -> set[tuple[str, str | None]]:
    return {(name, form) for _, name, form, _ in string.Formatter().parse(text) if name is not None}


def test_translations_have_the_fields_of_the_original():
    for english, chinese in written().items():
        assert fields(english) == fields(chinese), english


def test_english_stays_as_it_is_and_chinese_is_chinese():
    assert translator("en")("value") == "value"
    assert translator("zh")("value") == "数值"
    assert translator("zh")("a message that nobody has translated") == "a message that nobody has translated"
    with pytest.raises(ValueError, match="there are: en, zh"):
        translator("fr")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_ALL": "zh_TW"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "DANLU_LANGUAGE": "en"}, "en"),
        ({"LANG": "de_DE.UTF-8", "LC_ALL": ""}, "en"),
    ],
)
def test_the_language_follows_the_environment(monkeypatch, variables, expected):
    for name in ("DANLU_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert default() == expected
