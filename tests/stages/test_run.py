import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import started
from hypothesis import given
from hypothesis import strategies as st

import danlu
from danlu.cli.main import main
from danlu.machine.alone import alone_in
from danlu.recipe import lock as locks
from danlu.recipe.yaml_text import dump
from danlu.refusal import Refusal
from danlu.stages.recipe import read
from danlu.stages.run import Run, plan, run


def _run(recipe: dict[str, Any], root: Path, *overrides: str, **options: Any) -> tuple[Run, list[str]]:
    said: list[str] = []
    return run(read(recipe, overrides), root, say=said.append, **options), said


def _skipped(ran: Run) -> dict[str, bool]:
    return {stage.name: stage.skipped for stage in ran.stages}


def test_stages_run_in_order_and_find_each_other(recipe: dict[str, Any], tmp_path: Path) -> None:
    ran, said = _run(recipe, tmp_path)
    assert ran.folder == tmp_path / "lines"
    assert json.loads((ran["again"] / "count.json").read_text()) == {"lines": 18}
    assert [line.partition(":")[0] for line in said] == ["count", "double", "again"]
    assert not any(_skipped(ran).values())


def test_the_lock_tells_all_that_the_stage_was_run_with(recipe: dict[str, Any], tmp_path: Path) -> None:
    ran, _ = _run(recipe, tmp_path, "seed=4")
    lock = locks.load(ran["count"])
    assert lock is not None
    assert (lock.stage, lock.state, lock.seed) == ("count", "done", 4)
    assert lock.section["rate"] == 1.0
    # sha256 of "a\nb\nc\n", from sha256sum of GNU coreutils
    assert lock.inputs == {
        str(tmp_path / "lines.txt"): "880553fca8fcea94e325ee2cfb48e5a985cc797f39a14cc6d3cedecfeb2ae4d2"
    }
    assert {"danlu", "python", "torch", "transformers"} <= set(lock.versions)
    upstream = locks.load(ran["double"])
    assert upstream is not None
    assert upstream.stages == {"count": lock.fingerprint}


def test_a_second_run_does_nothing(recipe: dict[str, Any], tmp_path: Path) -> None:
    _run(recipe, tmp_path)
    ran, said = _run(recipe, tmp_path)
    assert all(_skipped(ran).values())
    assert all("skipped" in line for line in said)
    assert (ran["count"] / "calls.txt").read_text() == "1"


@pytest.mark.parametrize("change", ["section", "input", "seed", "upstream"])
def test_a_change_runs_the_stage_and_those_after_it_and_keeps_the_old(
    recipe: dict[str, Any], tmp_path: Path, change: str
) -> None:
    _run(recipe, tmp_path)
    if change == "input":
        (tmp_path / "lines.txt").write_text("a\nb\nc\nd\n")
    override = {"section": ["again.times=5"], "seed": ["seed=1"], "upstream": ["double.times=4"], "input": []}[change]
    ran, said = _run(recipe, tmp_path, *override)
    first = {"section": 2, "input": 0, "seed": 0, "upstream": 1}[change]
    assert list(_skipped(ran).values()) == [index < first for index in range(3)]
    assert sum("are kept in" in line for line in said) == 3 - first
    (older,) = (tmp_path / "lines").glob("again.*")
    assert json.loads((older / "count.json").read_text()) == {"lines": 18}
    assert json.loads((ran["again"] / "count.json").read_text()) != {"lines": 18} or change == "seed"


def test_results_of_other_settings_lie_beside_under_their_fingerprint(recipe: dict[str, Any], tmp_path: Path) -> None:
    prints = {}
    for times in (1, 2, 3):
        ran, _ = _run(recipe, tmp_path, f"again.times={times}")
        lock = locks.load(ran["again"])
        assert lock is not None
        prints[6 * times] = lock.fingerprint
    found = {
        name: json.loads((tmp_path / "lines" / name / "count.json").read_text())["lines"]
        for name in (f"again.{prints[6][:12]}", f"again.{prints[12][:12]}", "again")
    }
    assert list(found.values()) == [6, 12, 18]
    assert len(list((tmp_path / "lines").glob("again*"))) == 3


def test_files_of_unknown_origin_are_kept_too(recipe: dict[str, Any], tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / "lines" / "count").mkdir(parents=True)
        (tmp_path / "lines" / "count" / "mine.txt").write_text(f"precious {number}")
        ran, _ = _run(recipe, tmp_path, only=["count"])
        shutil.rmtree(ran["count"])
    kept = [(tmp_path / "lines" / name / "mine.txt").read_text() for name in ("count.unknown", "count.unknown-2")]
    assert kept == ["precious 1", "precious 2"]


@pytest.mark.parametrize(("how", "error"), [("interrupt", KeyboardInterrupt), ("break", RuntimeError)])
def test_an_interrupted_stage_goes_on_in_its_folder(
    recipe: dict[str, Any], tmp_path: Path, how: str, error: type[BaseException]
) -> None:
    said: list[str] = []
    with pytest.raises(error):
        run(read(recipe, [f"count.stop_at={how}"]), tmp_path, say=said.append)
    assert any("run the same command again" in line for line in said) == (how == "interrupt")
    ran, said = _run(recipe, tmp_path, f"count.stop_at={how}")
    assert said[0] == "count: goes on where it was interrupted, at call 1"
    assert (ran["count"] / "calls.txt").read_text() == "2"
    assert not list(tmp_path.glob("lines/[!.]*.*"))


def test_what_a_killed_process_was_writing_is_removed_when_its_stage_goes_on(
    recipe: dict[str, Any], tmp_path: Path
) -> None:
    with pytest.raises(RuntimeError):
        run(read(recipe, ["count.stop_at=break"]), tmp_path, say=lambda _: None)
    folder = tmp_path / "lines" / "count"
    (folder / "deep" / ".shards.12345678.partial").mkdir(parents=True)
    (folder / "deep" / ".shards.12345678.partial" / "rows-00000.arrow").write_text("half")
    (folder / ".survey.json.12345678.partial").write_text("half")
    _run(recipe, tmp_path, "count.stop_at=break")
    assert not list(folder.rglob("*.partial"))
    assert (folder / "calls.txt").read_text() == "2"


def test_results_that_lie_beside_are_taken_back_when_their_settings_are(recipe: dict[str, Any], tmp_path: Path) -> None:
    first, _ = _run(recipe, tmp_path)
    kept = (first["double"] / "count.json").read_text()
    _run(recipe, tmp_path, "double.times=9")
    assert (first["double"] / "count.json").read_text() != kept
    assert [planned.outlook for planned in plan(read(recipe), tmp_path)] == ["skip", "restore", "restore"]
    again, said = _run(recipe, tmp_path)
    assert all(_skipped(again).values())
    assert any("double: done before with the same settings and data, taken back from" in line for line in said)
    assert (again["double"] / "count.json").read_text() == kept
    assert [planned.outlook for planned in plan(read(recipe, ["double.times=9"]), tmp_path)][1] == "restore"


def test_results_are_put_back_when_the_run_that_replaces_them_is_refused(
    recipe: dict[str, Any], tmp_path: Path
) -> None:
    first, _ = _run(recipe, tmp_path)
    kept = (first["count"] / "count.json").read_text()
    said: list[str] = []
    with pytest.raises(Refusal, match="line 1: no"):
        run(read(recipe, ["count.stop_at=refuse at once"]), tmp_path, say=said.append)
    assert said[-1] == "count: nothing was made, so the earlier results are back in place"
    assert (first["count"] / "count.json").read_text() == kept
    assert not list(tmp_path.glob("lines/[!.]*.*"))
    assert all(_skipped(_run(recipe, tmp_path)[0]).values())


def test_a_refused_stage_leaves_the_folder_free_for_the_next_run(recipe: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="line 1: no"):
        _run(recipe, tmp_path, "count.stop_at=refuse")
    ran, _ = _run(recipe, tmp_path)
    assert not any(_skipped(ran).values())


def test_single_stages_may_be_run_once_what_they_need_is_done(recipe: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(Refusal, match="'double' needs 'count', which is not done"):
        _run(recipe, tmp_path, only=["double"])
    _run(recipe, tmp_path, only=["count"])
    ran, _ = _run(recipe, tmp_path, only=["double"])
    assert [stage.name for stage in ran.stages] == ["double"]
    with pytest.raises(Refusal, match="there is no stage 'duoble'; did you mean 'double'"):
        _run(recipe, tmp_path, only=["duoble"])


def test_a_plan_tells_what_would_be_done_and_changes_nothing(recipe: dict[str, Any], tmp_path: Path) -> None:
    assert [planned.outlook for planned in plan(read(recipe), tmp_path)] == ["run", "run", "run"]
    assert not (tmp_path / "lines").exists()
    _run(recipe, tmp_path, only=["count", "double"])
    assert [planned.outlook for planned in plan(read(recipe), tmp_path)] == ["skip", "skip", "run"]
    assert [planned.outlook for planned in plan(read(recipe, ["double.times=9"]), tmp_path)] == [
        "skip",
        "replace",
        "run",
    ]


def test_two_runs_in_one_folder_are_refused(recipe: dict[str, Any], tmp_path: Path) -> None:
    with alone_in(tmp_path / "lines"), pytest.raises(Refusal, match=rf"process {os.getpid()} on .* is running here"):
        _run(recipe, tmp_path)
    _run(recipe, tmp_path)


def test_a_damaged_lock_is_refused_and_nothing_is_lost(recipe: dict[str, Any], tmp_path: Path) -> None:
    ran, _ = _run(recipe, tmp_path)
    (ran["count"] / locks.NAME).write_text("state: done\n")
    with pytest.raises(Refusal, match=r"recipe\.lock\.yaml: this is not a lock that danlu wrote"):
        _run(recipe, tmp_path)
    assert (ran["count"] / "count.json").exists()


@given(st.dictionaries(st.sampled_from(["rate", "stop_at"]), st.sampled_from([1.0, 2.0]).map(str)))
def test_fingerprints_are_equal_exactly_if_the_sections_are(options: dict[str, str]) -> None:
    sections = [{"kind": "count", "data": {"path": "x"}} | options, {"kind": "count", "data": {"path": "x"}}]
    stages = [read({"name": "r", "stages": {"a": section}}).stages["a"] for section in sections]
    prints = [locks.lock("a", stage, 0, {}).fingerprint for stage in stages]
    assert (prints[0] == prints[1]) == (stages[0] == stages[1])


def test_the_face_of_the_package_runs_a_recipe_with_overrides(recipe: dict[str, Any], tmp_path: Path) -> None:
    said: list[str] = []
    ran = danlu.run(recipe, root=tmp_path, only=["count"], say=said.append, seed=5, **{"count.rate": 2.0})
    assert json.loads((ran["count"] / "count.json").read_text()) == {"lines": 3, "seed": 5}
    lock = locks.load(ran["count"])
    assert lock is not None
    assert lock.section["rate"] == 2.0


def test_a_killed_run_is_taken_over(recipe: dict[str, Any], tmp_path: Path) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from danlu.machine.alone import alone_in\n"
        "with alone_in(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = started.run([sys.executable, "-c", script, str(tmp_path / "lines")], check=False)
    assert killed.returncode < 0
    assert (tmp_path / "lines" / ".running").exists()
    _run(recipe, tmp_path)
    assert not (tmp_path / "lines" / ".running").exists()


@pytest.mark.parametrize(
    ("how", "code", "words"), [("interrupt", 130, "danlu: interrupted\n"), ("break", 1, "half way")]
)
def test_the_command_line_tells_an_interruption_from_a_mistake_of_ours(
    recipe: dict[str, Any], tmp_path: Path, outside_package: Path, capsys: Any, how: str, code: int, words: str
) -> None:
    (tmp_path / "lines.yaml").write_text(dump(recipe))
    command = [sys.executable, "-m", "danlu.cli.main", "run", "lines.yaml", f"count.stop_at={how}"]
    environment = os.environ | {"PYTHONPATH": str(outside_package)}
    first = started.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert first.returncode == code
    assert words in first.stderr
    assert ("Traceback" in first.stderr) == (how == "break")
    assert ("run the same command again" in first.stdout) == (how == "interrupt")
    if how == "break":
        return  # how it goes on is tested above
    with pytest.raises(SystemExit) as second:
        main(["run", str(tmp_path / "lines.yaml"), command[-1], "--root", str(tmp_path / "runs")])
    assert second.value.code == 0
    assert "goes on where it was interrupted" in capsys.readouterr().out


@pytest.mark.parametrize("stage", ["count", "double", "again"])
def test_a_stage_whose_files_were_deleted_is_done_again_and_no_other(
    recipe: dict[str, Any], tmp_path: Path, stage: str
) -> None:
    first, _ = _run(recipe, tmp_path)
    kept = (first[stage] / "count.json").read_text()
    (first[stage] / "count.json").unlink()
    outlooks = {planned.name: planned.outlook for planned in plan(read(recipe), tmp_path)}
    assert outlooks == dict.fromkeys(outlooks, "skip") | {stage: "redo"}
    again, said = _run(recipe, tmp_path)
    assert _skipped(again) == {name: name != stage for name in outlooks}
    assert f"{stage}: count.json was deleted since it was done, so it is done again" in said
    assert (again[stage] / "count.json").read_text() == kept
    assert all(_skipped(_run(recipe, tmp_path)[0]).values())


def test_a_lock_names_what_a_stage_left_but_for_checkpoints_and_the_hidden(tmp_path: Path) -> None:
    for name in ("a.json", "deep/b", "checkpoints/step-1/c", ".d", locks.NAME, *(f"many/{n}" for n in range(300))):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    stage = read({"name": "r", "stages": {"a": {"kind": "count", "data": {"path": "x"}}}}).stages["a"]
    done = locks.lock("a", stage, 0, {}).done(1.0, tmp_path)
    assert done.files == ["a.json", "deep/b", "many"]
    (tmp_path / "deep" / "b").unlink()
    assert done.missing(tmp_path) == ["deep/b"]


def test_what_a_kill_cut_short_is_not_taken_for_results_of_other_settings(
    recipe: dict[str, Any], tmp_path: Path
) -> None:
    folder = tmp_path / "lines" / "count"
    folder.mkdir(parents=True)
    (folder / f".{locks.NAME}.12345678.partial").write_text("stage: count\nstate: run")  # killed while it was written
    assert next(plan(read(recipe), tmp_path)).outlook == "run"
    _, said = _run(recipe, tmp_path)
    assert not any("are kept in" in line for line in said)
    assert not list(tmp_path.glob("lines/[!.]*.*"))
    assert not list(folder.glob(".*"))


@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
def test_a_lock_that_was_cut_short_is_told_and_nothing_is_renamed(
    recipe: dict[str, Any], tmp_path: Path, share: float
) -> None:
    ran, _ = _run(recipe, tmp_path)
    path = ran["count"] / locks.NAME
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * whole.index(b"seconds:"))])
    with pytest.raises(Refusal, match=r"recipe\.lock\.yaml: this is not a lock that danlu wrote"):
        _run(recipe, tmp_path)
    assert (ran["count"] / "count.json").exists()
    assert not list(tmp_path.glob("lines/[!.]*.*"))


def test_a_pipe_in_place_of_a_lock_is_not_waited_for(recipe: dict[str, Any], tmp_path: Path) -> None:
    ran, _ = _run(recipe, tmp_path)
    (ran["count"] / locks.NAME).unlink()
    os.mkfifo(ran["count"] / locks.NAME)
    with pytest.raises(Refusal, match="this is not a lock that danlu wrote"):
        _run(recipe, tmp_path)
