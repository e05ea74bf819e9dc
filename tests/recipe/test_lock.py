import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import Field

from danlu.cli.list import PROMISES, promise
from danlu.data.reading.format import Format
from danlu.recipe.lock import NAME, input_hashes, load, lock, save
from danlu.recipe.part import Part, find, kinds
from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenizer import TokenizerSource


class Several(Part):
    first: Format
    more: list[Format] = Field(default=[])
    named: dict[str, Format] = Field(default={})


def _csv(path: str) -> Format:
    return find(Format, "csv")(path=path)


def test_the_files_of_all_parts_within_a_section_are_hashed(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in "abc"]
    for path in paths:
        Path(path).write_text(path)
    section = Several(first=_csv(paths[0]), more=[_csv(paths[1])], named={"x": _csv(paths[2])})
    assert input_hashes(section) == {path: hashlib.sha256(path.encode()).hexdigest() for path in paths}


PROMISED = [(sort, kind) for sort in PROMISES for kind in kinds(promise(sort))]


def test_every_part_is_looked_at() -> None:
    assert len(PROMISED) > 60
    assert len([pair for pair in PROMISED if _files_named(find(promise(pair[0]), pair[1]))]) > 25


def _files_named(part: type[Part]) -> list[str]:
    """The fields that name a file or a folder, as their descriptions say."""
    words = re.compile("(file|folder|tsv|bundle)\\b")
    found = {
        name
        for name, field in part.model_fields.items()
        if field.annotation in (str, str | None) and words.match((field.description or "").removeprefix("local "))
    }
    return sorted(found | ({"path"} & set(part.model_fields)))


@pytest.mark.parametrize(("sort", "kind"), PROMISED, ids=map(":".join, PROMISED))
def test_every_file_that_a_part_names_is_an_input_wherever_the_part_stands(sort: str, kind: str) -> None:
    part = find(promise(sort), kind)
    named = _files_named(part)
    needed = [name for name, field in part.model_fields.items() if field.is_required() and field.annotation is str]
    made = part.model_construct(**{name: f"/nowhere/{name}" for name in {*named, *needed}})
    if sort == "stage":
        made = made.model_copy(update={"data": "@data"})
    if kind == "sql":  # whose file is part of an address
        made, named = part.model_construct(path="sqlite:////nowhere/path"), {"path"}
    learnt = kind == "extended"  # says so of its base, and only where nothing is learnt
    given = [] if learnt else [f"{each}/" for each in made.inputs()]  # or a file in it that tells of all others
    assert learnt or all(any(each.startswith(f"/nowhere/{name}/") for each in given) for name in named)
    for name, field in part.model_fields.items():  # what is a part must be one of ours, or nobody would find its files
        assert "Any" not in str(field.annotation), f"{name} may hold a part that is not looked at"


@pytest.mark.parametrize(
    "section",
    [
        {"kind": "word", "segmenter": {"kind": "rules", "dictionary": "{}"}},
        {"kind": "word", "segmenter": {"kind": "jieba", "user_dictionary": "{}"}},
        {"kind": "word", "segmenter": {"kind": "hmm", "path": "{}"}},
        {"kind": "extended", "base": "bpe", "learn": 3, "segmenter": {"kind": "rules", "dictionary": "{}"}},
        {"kind": "extended", "base": {"kind": "word", "segmenter": {"kind": "jieba", "user_dictionary": "{}"}}},
        {
            "kind": "extended",
            "base": {"kind": "extended", "tokens": ["x"], "base": {"kind": "pretrained", "path": "{}"}},
        },
    ],
)
def test_files_of_parts_within_parts_are_inputs(section: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("一")
    made = TokenizerSource.model_validate(json.loads(json.dumps(section).replace("{}", str(path))))
    before = lock("tokenizer", made, 0, {})
    assert before.inputs == {str(path): hashlib.sha256("一".encode()).hexdigest()}
    path.write_text("二")
    assert lock("tokenizer", made, 0, {}).fingerprint != before.fingerprint
    assert TokenizerSource.model_validate(made.to_plain()) == made


def test_files_of_installed_packages_are_hashed_without_importing_them() -> None:
    import pydantic

    path = "package:pydantic/version.py"
    here = Path(pydantic.__file__).with_name("version.py")
    assert input_hashes(_csv(path)) == {path: hashlib.sha256(here.read_bytes()).hexdigest()}


def test_what_is_not_there_and_what_is_a_stage_is_left_out(tmp_path: Path) -> None:
    for path in (str(tmp_path / "none"), "package:no_such_package/a", "package:pydantic/none", "@clean", "*.none"):
        assert input_hashes(_csv(path)) == {}


def _content(folder: Path) -> None:
    (folder / "in" / "a").write_text("other")


def _name(folder: Path) -> None:
    (folder / "in" / "a").rename(folder / "in" / "b")


def _more(folder: Path) -> None:
    (folder / "c").write_text("")


def test_what_lies_in_the_home_folder_is_an_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / "rows.csv").write_text("a")
    for path in ("~/rows.csv", "~/*.csv"):
        before = input_hashes(_csv(path))
        assert list(before) == [path]
        (tmp_path / "rows.csv").write_text(f"changed for {path}")
        assert input_hashes(_csv(path)) != before


def test_names_of_files_that_a_pattern_finds_are_told_apart(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text(name)
    before = input_hashes(_csv(f"{tmp_path}/*.csv"))
    (tmp_path / "b.csv").rename(tmp_path / "c.csv")
    assert input_hashes(_csv(f"{tmp_path}/*.csv")) != before


@pytest.mark.parametrize("change", [_content, _name, _more])
def test_a_folder_has_another_hash_when_anything_in_it_changes(tmp_path: Path, change: Callable[[Path], None]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    section = find(Format, "folder")(path=str(tmp_path))
    before = input_hashes(section)
    assert input_hashes(section) == before
    change(tmp_path)
    assert input_hashes(section) != before


def test_a_pattern_stands_for_all_files_that_it_matches(tmp_path: Path) -> None:
    section = _csv(str(tmp_path / "*.csv"))
    (tmp_path / "a.csv").write_text("a")
    before = input_hashes(section)
    (tmp_path / "b.csv").write_text("b")
    assert list(before) == [str(tmp_path / "*.csv")]
    assert input_hashes(section) != before


def test_a_fingerprint_depends_on_section_seed_inputs_and_stages(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")
    section = _csv(str(tmp_path / "a"))
    prints = {
        lock("s", section, 0, {}).fingerprint,
        lock("s", section, 1, {}).fingerprint,
        lock("s", section, 0, {"clean": "1"}).fingerprint,
        lock("s", section, 0, {"clean": "2"}).fingerprint,
        lock("s", section.model_copy(update={"delimiter": ";"}), 0, {}).fingerprint,
    }
    (tmp_path / "a").write_text("b")
    prints.add(lock("s", section, 0, {}).fingerprint)
    assert len(prints) == 6


def test_a_lock_is_read_back_equal(tmp_path: Path) -> None:
    written = lock("s", _csv("丹炉.csv"), 3, {"clean": "f"}).done(1.26, tmp_path)
    save(tmp_path, written)
    assert load(tmp_path) == written
    assert written.seconds == 1.3
    assert "丹炉.csv" in (tmp_path / NAME).read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["", "state: done\n", "- a\n", "a: [1\n"])
def test_a_damaged_lock_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(Refusal, match=r"recipe\.lock\.yaml"):
        load(tmp_path)


def test_no_lock_is_none(tmp_path: Path) -> None:
    assert load(tmp_path) is None
