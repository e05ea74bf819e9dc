"""docs/architecture.md is true to the code where a machine can tell."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest

from danlu.cli.list import PROMISES, promise

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "danlu"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
UNDER_ALL = ("sentences", "language", "refusal")
"""Single files below the picture."""


def table(first: str) -> list[list[str]]:
    """The rows of the table whose heading begins with a word, as lists of cells."""
    (text,) = re.findall(rf"^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", PAGE, re.MULTILINE)
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in text.splitlines()]


def named(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def held() -> dict[str, list[str]]:
    """The floors of `danlu`, and the rooms of those that have some, from the highest, as imports are held to them."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    assert all(contract["type"] == "layers" and contract["exhaustive"] for contract in contracts)
    return {
        contract["containers"][0]: [name for layer in contract["layers"] for name in layer.split(" | ")]
        for contract in contracts
    }


def test_the_floors_are_those_that_the_imports_are_held_to() -> None:
    assert [floor for row in table("floor") for floor in named(row[0])] == held()["danlu"]


def test_the_rooms_are_those_that_the_imports_are_held_to() -> None:
    told = [name.removesuffix(".py") for row in table("room") for name in named(row[0])]
    floors = [floor for floor in held()["danlu"] if f"danlu.{floor}" in held()]
    assert floors == ["evaluate", "text", "data"]
    assert told == [f"{floor}/{room}" for floor in floors for room in held()[f"danlu.{floor}"]]


def test_the_picture_shows_every_floor_and_every_room() -> None:
    (picture,) = re.findall(r"^## The floors\n.*?```\n(.*?)```", PAGE, re.MULTILINE | re.DOTALL)
    shown = re.findall(r"[a-z_]+", picture)
    missing = {name for names in held().values() for name in names} - {*shown, *UNDER_ALL, "extra"}
    assert not missing
    assert [line.split()[0] for line in picture.splitlines() if re.match(r"  [a-z]", line)] == [
        floor for floor in held()["danlu"] if floor not in UNDER_ALL
    ]


def test_the_nouns_stand_where_the_page_says() -> None:
    rows = table("noun")
    assert len(rows) >= 12
    for nouns, where, _ in rows:
        text = (SOURCE / named(where)[0]).read_text(encoding="utf-8")
        for noun in named(nouns):
            assert re.search(rf"^(class )?{noun}\b", text, re.MULTILINE), f"{noun} is not in {where}"


def test_the_promises_are_all_there_with_their_folders() -> None:
    stated = {named(row[0])[0]: (named(row[2])[0], named(row[3])[0]) for row in table("promise")}
    found = {}
    for sort in PROMISES:
        folder = promise(sort).folder
        place = Path(*importlib.import_module(folder).__path__).relative_to(SOURCE)
        found[promise(sort).__name__] = (f"{place.as_posix()}/", f"danlu.{folder.rpartition('.')[2]}")
    assert stated == found


@pytest.mark.parametrize("page", ["docs/architecture.md", "docs/lab-notes.md", "CONTRIBUTING.md"])
def test_the_files_that_the_text_names_exist(page: str) -> None:
    names = set(re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)", (ROOT / page).read_text(encoding="utf-8")))
    assert len(names) >= 4
    lost = {name for name in names if not any((place / name).is_file() for place in (SOURCE, SOURCE.parent, ROOT))}
    assert not lost
