"""What parts, keys and commands say of themselves in Chinese: complete, fresh, and with all that is in backticks."""

import ast
import gettext
import json
import re
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

import danlu.recipe.told
from danlu.cli import main
from danlu.language import translator
from danlu.recipe.schema import schema
from danlu.recipe.told import holds_in, in_language, schema_in, told_by
from danlu.stages.recipe import Recipe

ROOT = Path(__file__).parents[1]
CATALOGUE = ROOT / "src" / "danlu" / "locale" / "zh" / "LC_MESSAGES" / "parts.po"
COMPILE = "pybabel compile -d src/danlu/locale -D parts"


@cache
def told() -> frozenset[str]:
    """All that the reference and the schema of recipes ask the catalogue for."""
    asked: set[str] = set()

    def asking(_language: str) -> Callable[[str], str]:
        return lambda text: asked.add(text) or text

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "docs" / "making"))
        import reference

        patch.setattr(reference, "in_language", asking)
        patch.setattr(danlu.recipe.told, "in_language", asking)
        reference.reference_pages()
        schema_in("zh", schema(Recipe))
    for name in ("reference", "wording"):
        sys.modules.pop(name, None)
    return frozenset(asked - {""})


@cache
def written() -> dict[str, str]:
    """The catalogue's source: Chinese by English."""
    found = re.findall(r'^msgid ((?:".*"\n)+)msgstr ((?:".*"\n)+)', CATALOGUE.read_text("utf-8"), re.MULTILINE)
    pairs = [tuple("".join(map(ast.literal_eval, part.splitlines())) for part in pair) for pair in found]
    assert len(dict(pairs)) == len(pairs)
    return {english: chinese for english, chinese in pairs if english}


def test_all_that_is_told_has_its_chinese() -> None:
    assert len(told()) > 1000
    missing = sorted(text for text in told() if not written().get(text))
    assert not missing, f"add these to {CATALOGUE.relative_to(ROOT)}, then run `{COMPILE}`: {missing}"


def test_nothing_in_the_catalogue_has_gone_out_of_use() -> None:
    unused = sorted(written().keys() - told())
    assert not unused, f"delete these from {CATALOGUE.relative_to(ROOT)}, then run `{COMPILE}`: {unused}"


def test_the_compiled_catalogue_is_that_of_the_source() -> None:
    with CATALOGUE.with_suffix(".mo").open("rb") as file:
        compiled = gettext.GNUTranslations(file)._catalog
    assert {english: chinese for english, chinese in compiled.items() if english} == written(), f"run `{COMPILE}`"


def test_what_stands_in_backticks_stays_and_paragraphs_are_kept() -> None:
    for english, chinese in written().items():
        assert sorted(re.findall(r"`[^`]*`", english)) == sorted(re.findall(r"`[^`]*`", chinese)), english
        assert english.count("\n\n") == chinese.count("\n\n"), english
        assert re.search(r"[\u4e00-\u9fff]", chinese), english


def test_a_part_is_listed_in_chinese(monkeypatch, capsys) -> None:
    monkeypatch.setenv("DANLU_LANGUAGE", "zh")
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit):
        main.main(["list", "lora"])
    shown = capsys.readouterr().out
    assert "含义" in shown
    assert "整数" in shown
    told_of_rank = "rank of each update"
    assert told_of_rank not in shown
    assert in_language("zh")(told_of_rank) in shown


def test_help_is_shown_in_chinese_and_the_command_is_as_it_was(monkeypatch, capsys) -> None:
    from danlu.cli import verify

    monkeypatch.setenv("COLUMNS", "200")
    for language in ("zh", "en"):
        monkeypatch.setenv("DANLU_LANGUAGE", language)
        with pytest.raises(SystemExit):
            main.main(["verify", "--help"])
        shown, said = capsys.readouterr().out, in_language(language)
        assert said(told_by(verify.command))[:20] in shown
        assert said("public key (PEM) of who must have signed it") in shown


def test_descriptions_of_a_schema_are_translated_and_keys_of_that_name_stay() -> None:
    known = next(iter(written()))
    node = {"description": known, "properties": {"description": {"type": "string", "description": known}}}
    assert schema_in("en", node) == node
    translated = schema_in("zh", node)
    assert translated["description"] == translated["properties"]["description"]["description"] == written()[known]
    assert set(translated["properties"]) == {"description"}
    assert json.dumps(schema_in("zh", ["description", None, 1])) == '["description", null, 1]'


def test_types_are_told_in_chinese_and_what_is_written_in_a_recipe_stays() -> None:
    assert holds_in("zh", "whole number or 'whole number', at least 3 long") == "整数或'whole number'，长度不小于 3"
    assert holds_in("en", "list of text") == "list of text"
    assert in_language("zh")("") == ""
    assert translator("zh", "parts")("nothing of ours") == "nothing of ours"
