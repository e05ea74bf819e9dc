"""Results of any settings, in any order, killed anywhere: none is lost or made twice, the last asked for is found."""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from danlu.recipe import lock as locks
from danlu.refusal import Refusal
from danlu.stages import results
from danlu.stages.recipe import Recipe, read
from danlu.stages.run import Run, plan, run

CHANGES = ("rename", "replace", "mkdir", "unlink", "rmdir")  # of the system, by which files and folders change
SETTINGS = st.tuples(st.sampled_from([2, 4]), st.sampled_from([3, 5]))


class Killed(BaseException):
    """What SIGKILL is to this test: after it, the process changes nothing any more."""


@contextmanager
def killed_at(change: int | None) -> Iterator[None]:
    """Die in place of the change of this number, counted from 0."""
    left = [10**9 if change is None else change]
    with pytest.MonkeyPatch.context() as patch:
        for name in CHANGES:
            patch.setattr(os, name, _counted(getattr(os, name), left))
        yield


def _counted(call: Any, left: list[int]) -> Any:
    def counted(*arguments: Any, **options: Any) -> Any:
        if left[0] <= 0:
            raise Killed
        left[0] -= 1
        return call(*arguments, **options)

    return counted


def recipe(lines: Path, double: int = 2, again: int = 3) -> Recipe:
    stages = {
        "count": {"kind": "count", "data": {"path": str(lines)}},
        "double": {"kind": "double", "of": "@count", "times": double},
        "again": {"kind": "double", "of": "@double", "times": again},
    }
    return read({"name": "lines", "stages": stages})


def told(folder: Path) -> dict[str, str]:
    """State and fingerprint of a lock; reading all of it would take most of the time."""
    file = folder / locks.NAME
    lines = file.read_text().splitlines() if file.exists() else []
    return {
        key: line.removeprefix(f"{key}: ") for line in lines for key in ("state", "fingerprint") if key in line[:12]
    }


def finished(root: Path) -> dict[str, str]:
    """What was left by every stage that was ever finished, by fingerprint."""
    found: dict[str, str] = {}
    for folder in root.glob("lines/[!.]*"):
        lock = told(folder)
        if lock.get("state") == "done":
            assert lock["fingerprint"] not in found
            found[lock["fingerprint"]] = (folder / "count.json").read_text()
    return found


def bearers(root: Path) -> dict[str, str]:
    """The fingerprint of what bears each stage's own name."""
    locked = {name: told(root / "lines" / name) for name in ("count", "double", "again")}
    return {name: lock["fingerprint"] for name, lock in locked.items() if lock}


@settings(max_examples=12, phases=[Phase.explicit, Phase.generate])  # a run takes 50 ms, and shrinking hundreds
@given(
    st.lists(
        st.tuples(SETTINGS, st.one_of(st.none(), st.integers(0, 60)), st.sampled_from([False, False, True])),
        min_size=2,
        max_size=6,
    )
)
def test_any_settings_in_any_order_killed_anywhere(
    tmp_path_factory: pytest.TempPathFactory, calls: list[tuple[tuple[int, int], int | None, bool]]
) -> None:
    root = tmp_path_factory.mktemp("runs")
    (root / "lines.txt").write_text("a\nb\nc\n")
    known: dict[str, str] = {}
    for (double, again), kill, beside in calls:
        asked = recipe(root / "lines.txt", double, again)
        prints = {planned.name: planned.lock.fingerprint for planned in plan(asked, root)}
        bearing = bearers(root)
        ran: Run | None = None
        try:
            with killed_at(kill):
                ran = run(asked, root, say=lambda _: None, beside=beside)
        except Killed:
            assert kill is not None
        found = finished(root)
        assert found.items() >= known.items()
        if ran is not None:
            made = [stage.name for stage in ran.stages if not stage.skipped]
            assert not any(prints[name] in known for name in made)
            assert found.keys() >= set(prints.values())
            assert json.loads(found[prints["again"]]) == {"lines": 3 * double * again}
            assert all(told(ran[name])["fingerprint"] == prints[name] for name in prints)
            if beside:
                assert bearers(root) == bearing
            else:
                assert bearers(root) == prints
        known = found
    shutil.rmtree(root)


@pytest.fixture
def lines(tmp_path: Path) -> Path:
    (tmp_path / "lines.txt").write_text("a\nb\nc\n")
    return tmp_path / "lines.txt"


def test_a_search_beside_leaves_what_lies_there_untouched_and_shares_what_is_the_same(
    lines: Path, tmp_path: Path
) -> None:
    run(recipe(lines), tmp_path, say=lambda _: None)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("lines/[!.]*/*")}
    said: list[str] = []
    trials = [run(recipe(lines, 2, times), tmp_path, say=said.append, beside=True) for times in (3, 7, 9, 7)]
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert Counter(trial["double"] for trial in trials) == {tmp_path / "lines" / "double": 4}
    assert trials[0]["again"] == tmp_path / "lines" / "again"
    assert trials[1]["again"] == trials[3]["again"] != trials[2]["again"]
    assert said[-1] == f"again: done before with the same settings and data, in {trials[1]['again']}"
    assert [planned.outlook for planned in plan(recipe(lines, 2, 9), tmp_path)] == ["skip", "skip", "restore"]
    chosen = run(recipe(lines, 2, 9), tmp_path, say=said.append)
    assert chosen.stages[2].skipped
    assert not trials[2]["again"].exists()
    assert json.loads((tmp_path / "lines" / "again" / "count.json").read_text()) == {"lines": 54}


def test_what_an_earlier_version_moved_aside_is_recognised(lines: Path, tmp_path: Path) -> None:
    run(recipe(lines), tmp_path, say=lambda _: None)
    (tmp_path / "lines" / "again").rename(tmp_path / "lines" / "again.older-1")
    (tmp_path / "lines" / "double").rename(tmp_path / "lines" / "double.older-12")
    assert [planned.outlook for planned in plan(recipe(lines), tmp_path)] == ["skip", "restore", "restore"]
    assert all(stage.skipped for stage in run(recipe(lines), tmp_path, say=lambda _: None).stages)
    assert not list(tmp_path.glob("lines/*.older-*"))


def test_an_interrupted_stage_goes_on_after_other_settings_had_its_name(lines: Path, tmp_path: Path) -> None:
    broken = {"kind": "count", "data": {"path": str(lines)}, "stop_at": "break"}
    first = read({"name": "lines", "stages": {"count": broken}})
    with pytest.raises(RuntimeError):
        run(first, tmp_path, say=lambda _: None)
    run(recipe(lines), tmp_path, say=lambda _: None)
    assert [planned.outlook for planned in plan(first, tmp_path)] == ["resume"]
    said: list[str] = []
    run(first, tmp_path, say=said.append)
    assert said[1] == "count: goes on where it was interrupted, at call 1"
    assert (tmp_path / "lines" / "count" / "calls.txt").read_text() == "2"


def test_stages_that_are_needed_may_lie_beside(lines: Path, tmp_path: Path) -> None:
    run(recipe(lines, 4), tmp_path, say=lambda _: None)
    run(recipe(lines, 2), tmp_path, say=lambda _: None)
    ran = run(recipe(lines, 4, 5), tmp_path, ["again"], say=lambda _: None)
    assert json.loads((ran["again"] / "count.json").read_text()) == {"lines": 60}
    assert json.loads((tmp_path / "lines" / "double" / "count.json").read_text()) == {"lines": 6}


def test_equal_beginnings_of_fingerprints_are_told_apart(tmp_path: Path, lines: Path) -> None:
    ran = run(recipe(lines), tmp_path, say=lambda _: None)
    lock = locks.load(ran["again"])
    assert lock is not None
    other = lock.fingerprint[:12] + "0" * 52
    taken = results.beside(ran["again"], other)
    shutil.copytree(ran["again"], taken)
    assert results.find(ran["again"], other) is None
    assert results.beside(ran["again"], other) == taken.with_name(f"{taken.name}-2")
    assert results.find(ran["again"], lock.fingerprint) == (ran["again"], lock)


def test_results_that_bear_a_name_are_at_no_moment_marked_as_made_beside(lines: Path, tmp_path: Path) -> None:
    """Wherever a kill comes: a search would remove the weights of what is marked."""
    for change in range(40):
        other = run(recipe(lines, 2, 5), tmp_path / str(change), say=lambda _: None, beside=True)["again"]
        current = other.with_name("again")
        try:
            with killed_at(change):
                results.put_in_place(other, current)
        except Killed:
            assert not (current / results.BESIDE).exists()
        else:
            assert change >= 2
            break


@pytest.mark.parametrize("held", ["again", "other"])
def test_a_folder_that_the_system_holds_is_one_sentence_and_nothing_has_changed(
    lines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, held: str
) -> None:
    """Whichever of the two that would be renamed."""
    other = run(recipe(lines, 2, 5), tmp_path, say=lambda _: None, beside=True)["again"]
    run(recipe(lines), tmp_path, say=lambda _: None)
    before, rename = sorted(tmp_path.glob("lines/[!.]*/*")), os.rename

    def renamed(source: Any, target: Any) -> None:
        if Path(source).name == (other.name if held == "other" else held):
            raise PermissionError(13, "Access is denied")
        rename(source, target)

    monkeypatch.setattr(os, "rename", renamed)
    with pytest.raises(Refusal, match=r"again(\.\w{12})?: cannot be renamed to again.* \(access is denied\); end the"):
        run(recipe(lines, 2, 5), tmp_path, ["again"], say=lambda _: None)
    assert sorted(tmp_path.glob("lines/[!.]*/*")) == before
    assert run(recipe(lines, 2, 5), tmp_path, ["again"], say=lambda _: None, beside=True)["again"] == other
