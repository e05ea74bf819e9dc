"""What the page is made of: both languages, nothing from outside, and a policy that browsers hold it to."""

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

import danlu.serve
from danlu.answer.answer import Answer
from danlu.recipe.part import kinds
from danlu.serve.routes.page import POLICY, add_page, read_page

FOLDER = Path(danlu.serve.__file__).parent / "page"
OWN = [path for path in sorted(FOLDER.iterdir()) if path.is_file()]
CODE = "\n".join(path.read_text(encoding="utf-8") for path in OWN if path.suffix == ".js" and path.stem != "words")
LINE = re.compile(r'^  (\w+): \[\s*("(?:[^"\\]|\\.)*"),\s*("(?:[^"\\]|\\.)*"),?\s*\],$', re.MULTILINE)
VIEWS = ("predict", "chat", "compare", "live")
WORDS = {
    name: (json.loads(english), json.loads(chinese))
    for name, english, chinese in LINE.findall((FOLDER / "words.js").read_text(encoding="utf-8"))
}


def read(path: str) -> httpx2.Response:
    async def asked() -> httpx2.Response:
        app = FastAPI()
        add_page(app)
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://page") as client:
            return await client.get(path)

    return asyncio.run(asked())


def test_every_message_is_in_both_languages_and_puts_in_the_same_things() -> None:
    text = (FOLDER / "words.js").read_text(encoding="utf-8")
    assert len(WORDS) == len(re.findall(r"^  \w+: \[", text, re.MULTILINE)) > 80
    for name, (english, chinese) in WORDS.items():
        assert english.isascii() or "…" in english, name
        assert re.search("[\u4e00-\u9fff]", chinese), name
        assert set(re.findall(r"\{\w+\}", english)) == set(re.findall(r"\{\w+\}", chinese)), name


def test_every_message_that_is_asked_for_exists_and_none_is_left_over() -> None:
    asked = {name for call in re.findall(r"\bt\(([^)]*)", CODE) for name in re.findall(r'"(\w+)"', call.split("{")[0])}
    asked |= {name for name in WORDS if name.startswith(("state_", "light_"))} | {*VIEWS, "loading"}
    assert asked == WORDS.keys()


def test_every_form_of_answers_is_shown_in_its_own_way() -> None:
    forms = set(
        re.findall(
            r"^  (\w+):? ?", (FOLDER / "answers.js").read_text().split("FORMS = {")[1].split("};")[0], re.MULTILINE
        )
    )
    assert forms | {"vector"} == set(kinds(Answer))


@pytest.mark.parametrize("path", OWN, ids=lambda path: path.name)
def test_files_are_short_and_name_no_address_outside(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 300
    assert set(re.findall(r"https?://[^\s\"'`)]+", text)) <= {"http://www.w3.org/2000/svg"}
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|@import", text)
    assert not re.search(r"""(?:href|src|fetch\()=?["'(]//""", text)


def test_what_is_not_ours_keeps_its_licence() -> None:
    names = {path.name for path in (FOLDER / "vendor").iterdir()}
    assert names == {"htm-preact.js", "htm.LICENSE.txt", "preact.LICENSE.txt"}
    assert (FOLDER / "vendor" / "htm-preact.js").stat().st_size < 14_000


def test_the_page_and_its_files_are_answered_with_a_policy_and_are_kept_until_they_change() -> None:
    index = read("/")
    assert index.headers["content-security-policy"] == POLICY
    assert POLICY.startswith("default-src 'self';")
    assert "unsafe" not in POLICY
    assert index.headers["cache-control"] == "no-cache"
    assert not re.search(r"<script>|<script(?![^>]*src=)|style=|\son\w+=", index.text)
    named = re.findall(r'(?:href|src)="(page/[^"]+)"', index.text)
    assert len(named) == 3
    for path in named:
        answer = read(f"/{path}")
        assert answer.status_code == 200
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "immutable" in answer.headers["cache-control"]
        assert answer.headers["content-type"].split(";")[0] in ("text/javascript", "text/css", "image/svg+xml")


def modules() -> Iterator[tuple[str, str]]:
    for path in OWN:
        if path.suffix == ".js":
            for name in re.findall(r'from "(\./[^"]+)"', path.read_text(encoding="utf-8")):
                yield path.name, name.removeprefix("./")


def test_all_that_is_imported_is_there() -> None:
    imported = {name for _, name in modules()}
    assert imported <= read_page().files.keys()
    assert {path.name for path in OWN if path.suffix == ".js"} - imported == {"app.js"}


@pytest.mark.parametrize("path", ["0123456789abcdef/app.js", "{stamp}/../app.py", "{stamp}/index.html"])
def test_other_files_are_not_there(path: str) -> None:
    answer = read("/page/" + path.replace("{stamp}", read_page().stamp).replace("../", "%2e%2e%2f"))
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "no_such_file"


def luminance(colour: str) -> float:
    """Of WCAG 2.2, of `#rgb` or `#rrggbb`."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def palettes() -> list[dict[str, str]]:
    style = (FOLDER / "style.css").read_text(encoding="utf-8")
    blocks = re.findall(r":root[^{]*\{([^}]*)\}", style)
    return [dict(re.findall(r"--([\w-]+): (#\w+)", block)) for block in blocks]


def test_dark_is_the_same_dark_whether_it_is_chosen_or_found() -> None:
    light, chosen, found = palettes()
    assert chosen == found
    assert light.keys() == chosen.keys()


@pytest.mark.parametrize("palette", palettes()[:2], ids=["light", "dark"])
def test_texts_stand_out_by_4_5_to_1_and_borders_by_3_to_1(palette: dict[str, str]) -> None:
    def ratio(one: str, other: str) -> float:
        dark, bright = sorted((luminance(palette[one]), luminance(palette[other])))
        return (bright + 0.05) / (dark + 0.05)

    grounds = ("paper", "card", "soft")
    texts = [(text, ground) for text in ("ink", "quiet", "ours", "theirs") for ground in grounds]
    texts += [("ink", f"c{number}") for number in range(8)]
    texts += [("on-ours", "ours"), ("paper", "ink"), ("right", "card")]
    assert {pair: ratio(*pair) for pair in texts if ratio(*pair) < 4.5} == {}
    edges = [("edge", "paper"), ("edge", "card"), ("theirs", "card"), ("ours", "track")]
    assert {pair: ratio(*pair) for pair in edges if ratio(*pair) < 3} == {}


def test_what_shortens_json_can_be_read_in_one_way_alone() -> None:
    """A list that has no end, as a text is cut within it, took a minute and more to be no list."""
    source = (FOLDER / "parts.js").read_text("utf-8")
    found = re.search(r"replace\(/(.+?)/g, \(list\)", source)
    assert found
    lists = re.compile(found[1])
    told = json.dumps({"scores": [0.25, -1e-05, 3], "text": "[1, 2", "none": []}, indent=2)
    assert lists.sub(lambda each: re.sub(r"\s+", " ", each[0]), told).count("\n") == 4
    for hostile in ("12.5, " * 4000, "-" * 4000, "1" * 4000, "1e-5,\n" * 4000, "-1," * 4000):
        assert lists.search(f"[{hostile}") is None
