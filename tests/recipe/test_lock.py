import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import Field

from danlu.data.format import Format
from danlu.recipe.lock import NAME, input_hashes, load, lock, save
from danlu.recipe.part import Part, find
from danlu.refusal import Refusal


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


@pytest.mark.parametrize("change", [_content, _name, _more])
def test_a_folder_has_another_hash_when_anything_in_it_changes(tmp_path: Path, change: Callable[[Path], None]) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("a")
    section = _csv(str(tmp_path))
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
