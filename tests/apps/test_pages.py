"""The pages of all applications: every word in two languages, asked for, and of one meaning."""

import json
import re
from pathlib import Path

import pytest

import danlu.apps
import danlu.serve
from danlu.cli.app import names

APPS = Path(*danlu.apps.__path__)
LINE = re.compile(r'^  (\w+): \[\s*("(?:[^"\\]|\\.)*"),\s*("(?:[^"\\]|\\.)*"),?\s*\],$', re.MULTILINE)
PAGES = sorted([*names(), "studio"])
SPOKEN = {"write": {"characters"}}
"""Words whose names come from the server."""


def words(path: Path) -> dict[str, tuple[str, str]]:
    text = path.read_text(encoding="utf-8")
    found = {name: (json.loads(one), json.loads(other)) for name, one, other in LINE.findall(text)}
    assert len(found) == len(re.findall(r"^  \w+: \[", text, re.MULTILINE))
    return found


def without_things(text: str) -> str:
    return re.sub(r"\{\w+\}", "", text)


def test_every_application_has_a_page_set_up_in_one_way() -> None:
    pages = {path.parent.parent.name: path.read_text(encoding="utf-8") for path in APPS.glob("*/page/app.js")}
    assert sorted(pages) == PAGES
    for name, code in pages.items():
        assert 'import { WORDS } from "./own_words.js";' in code, name
        assert "words: WORDS" in code, name
        assert ('style: "own.css"' in code) == (APPS / name / "page" / "own.css").is_file(), name
        assert sorted(path.suffix for path in (APPS / name / "page").glob("*.css")) in ([], [".css"]), name


@pytest.mark.parametrize("name", PAGES)
def test_every_word_is_in_both_languages_asked_for_and_no_other_meaning_of_a_common_one(name: str) -> None:
    folder = APPS / name / "page"
    own = words(folder / "own_words.js")
    common = words(Path(danlu.serve.__file__).parent / "page" / "words.js")
    assert len(own) > 10
    for word, (english, chinese) in own.items():
        assert not re.search("[\u4e00-\u9fff]", english), word
        assert re.search("[\u4e00-\u9fff]", chinese) or not re.search(r"\w", without_things(chinese)), word
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese)), word
    code = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.js") if path.stem != "own_words")
    quoted = set(re.findall(r'"(\w+)"', code))
    views = set(re.findall(r"(\w+):", re.findall(r"views: \{(.*?)\}", code)[0]))
    begun = tuple(re.findall(r"`(\w+_)\$\{", code))
    ended = tuple(re.findall(r"\}(_\w+)`", code))
    put_together = {each for each in own if each.startswith(begun) or each.endswith(ended)}
    asked = {each for each in own if each in quoted | views | put_together | SPOKEN.get(name, set())}
    assert own.keys() == asked
    called = re.findall(r'\bt\("(\w+)"', code)
    assert called
    assert set(called) | views <= own.keys() | common.keys()
    assert not own.keys() & common.keys()
