"""Which runs lie in a folder, in which state they are, and what else is told of the folder."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from studio_runs import RECIPE, write_lock, write_run, write_scores

from danlu.apps.studio import processes
from danlu.apps.studio.comparison import compared
from danlu.apps.studio.runs import Runs
from danlu.machine.holder import named
from danlu.serve.problem import Problem


def runs_of(folder: Path) -> Runs:
    return Runs(folder / "runs", folder)


def started(run: Path, process: str, *, begun: float, status: int | None = None) -> None:
    note = {"recipe": "r.yaml", "overrides": ["model.train.rate=1"], "begun": begun, "process": process}
    (run / processes.FOLDER).mkdir(parents=True, exist_ok=True)
    (run / processes.FOLDER / processes.STARTED).write_text(json.dumps(note))
    if status is not None:
        ended = {"status": status, "ended": time.time() + 1}
        (run / processes.FOLDER / processes.ENDED).write_text(json.dumps(ended))


def state(folder: Path, name: str) -> str:
    return str(runs_of(folder).at_a_glance(name)["state"])


def test_a_folder_that_a_search_has_filled_is_told_as_such(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "sought"
    write_lock(folder / "model.0123456789ab", kind="train")
    (folder / "search.html").write_text("<html>")
    assert runs_of(tmp_path).listed() == (
        [],
        ["sought: holds runs that were compared; their page is search.html in that folder"],
    )
    (tmp_path / "r.yaml").write_text(RECIPE.format(name="sought"), encoding="utf-8")
    listed, notes = runs_of(tmp_path).listed()
    assert [each["state"] for each in listed] == ["empty"]
    assert notes == ["sought: holds runs that were compared; their page is search.html in that folder"]


def test_recipes_are_looked_for_once_a_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(3):
        write_run(tmp_path / "runs", f"run-{number}")
    runs, looked = runs_of(tmp_path), list[int]()
    here = runs.recipes_here
    monkeypatch.setattr(runs, "recipes_here", lambda: looked.append(1) or here())
    assert len(runs.listed()[0]) == 3
    assert looked == [1]


@pytest.fixture
def alive() -> Any:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        yield process
        process.kill()


def test_a_run_is_in_the_state_that_its_files_tell(tmp_path: Path, alive: "subprocess.Popen[bytes]") -> None:
    root, here, gone = tmp_path / "runs", socket.gethostname(), 2**22 + 5  # above the largest number of a process
    write_run(root, "done")
    write_run(root, "stopped", state="running")
    (write_run(root, "killed", state="running") / ".running").write_text(f"{gone} {here}")
    (write_run(root, "running", state="running") / ".running").write_text(f"{alive.pid} {here}")
    (write_run(root, "elsewhere", state="running") / ".running").write_text("1 another-machine")
    now = time.time()
    started(root / "starting", named(alive.pid), begun=now)
    started(root / "refused", f"{gone} 1.00 x", begun=now, status=2)
    started(write_run(root, "ctrl-c", state="running"), f"{gone} 1.00 x", begun=now - 9, status=130)
    started(root / "lost", f"{gone} 1.00 x", begun=now)
    expected = {"done": "done", "stopped": "stopped", "killed": "interrupted", "running": "running"}
    expected |= {"elsewhere": "interrupted", "starting": "waiting", "refused": "failed", "ctrl-c": "stopped"}
    expected |= {"lost": "interrupted"}
    listed, notes = runs_of(tmp_path).listed()
    assert {each["name"]: each["state"] for each in listed} == expected
    assert notes == []
    found = {each["name"]: each for each in listed}
    assert found["elsewhere"]["elsewhere"] == "another-machine"
    assert [(each["name"], each["state"]) for each in found["killed"]["stages"]] == [
        ("clean", "done"),
        ("model", "unfinished"),
    ]
    assert found["killed"]["stages"][1]["progress"] == 0.5
    assert [each["state"] for each in found["running"]["stages"]] == ["done", "running"]
    assert found["done"]["score"] == {"stage": "test", "metric": "accuracy", "value": 0.9, "low": 0.88, "high": 0.915}
    assert found["done"]["seconds"] == 37.5
    assert found["refused"]["status"] == 2


def test_a_number_that_was_given_anew_is_not_the_process_that_was_noted(
    tmp_path: Path, alive: "subprocess.Popen[bytes]"
) -> None:
    run = write_run(tmp_path / "runs", "old", state="running")
    (run / ".running").write_text(f"{alive.pid} {socket.gethostname()}")
    os.utime(run / ".running", (1e9, 1e9))
    started(run, f"{alive.pid} 5.00 {named(alive.pid).split(' ', 2)[2]}", begun=1e9)
    assert state(tmp_path, "old") == "interrupted"
    assert not processes.stop(run)
    assert alive.poll() is None


def test_stopping_is_ctrl_c(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs", "old", state="running")
    script = "import signal, sys\ntry:\n print(flush=True); signal.pause()\nexcept KeyboardInterrupt:\n sys.exit(7)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        started(run, named(process.pid), begun=time.time())
        assert processes.stop(run)
        assert process.wait(20) == 7


def test_what_a_terminal_has_run_since_counts_more_than_how_the_studio_ended(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "again"
    started(run, "1 1.00 x", begun=1e9, status=2)
    (run / processes.FOLDER / processes.ENDED).write_text(json.dumps({"status": 2, "ended": 1e9 + 5}))
    write_run(tmp_path / "runs", "again")
    assert state(tmp_path, "again") == "done"


def test_the_recipe_tells_of_stages_that_are_still_to_come(tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text(RECIPE.format(name="half"))
    (tmp_path / "damaged.yaml").write_text("name: [")
    (tmp_path / "other.yaml").write_text("services: {}")
    write_run(tmp_path / "runs", "half", state="running")
    runs = runs_of(tmp_path)
    stages = runs.at_a_glance("half")["stages"]
    assert [(each["name"], each["kind"], each["state"]) for each in stages] == [
        ("clean", "prepare", "done"),
        ("model", "train", "unfinished"),
        ("test", "evaluate", "waiting"),
    ]
    recipes = runs.recipes_here()
    assert sorted(recipes) == ["damaged.yaml", "r.yaml"]
    assert "damaged.yaml line" in recipes["damaged.yaml"].wrong


def test_scores_of_a_model_that_was_replaced_are_not_those_of_the_one_in_training(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs", "anew", score=0.8)
    runs = runs_of(tmp_path)
    assert runs.at_a_glance("anew")["score"]["value"] == 0.8
    write_run(tmp_path / "runs", "anew", rate=1e-3, state="running")
    found = runs_of(tmp_path).at_a_glance("anew")
    assert [each["state"] for each in found["stages"]] == ["done", "unfinished", "waiting"]
    assert (found["score"], (run / "test" / "scores.json").is_file()) == (None, True)
    write_run(tmp_path / "runs", "anew", score=0.8)
    write_lock(run / "clean", kind="prepare", data={"kind": "csv", "path": "others.csv"})
    found = runs_of(tmp_path).at_a_glance("anew")  # what builds on what builds on it is of the former data as well
    assert ([each["state"] for each in found["stages"]], found["score"]) == (["done", "waiting", "waiting"], None)


def test_damage_is_a_sentence_and_the_rest_is_shown(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    run = write_run(root, "odd")
    (run / "model" / "recipe.lock.yaml").write_bytes(b"\xff\x00stage: model")
    (run / "test" / "scores.json").write_text('{"metrics": {"accuracy": "high"}}')
    write_lock(run / "more", kind="evaluate")
    write_scores(run / "more", {"f1": {"value": 0.5, "low": None, "high": None}})
    shutil.copytree(run / "clean", run / "renamed")
    os.mkfifo(run / "more" / "log.jsonl")
    (root / "empty").mkdir()
    (root / ".hidden").mkdir()
    (root / "file.txt").write_text("x")
    (root / "out").symlink_to(tmp_path)
    (root / "nowhere").symlink_to(tmp_path / "nothing")
    (root / os.fsdecode(b"\xff\xfe")).mkdir()
    listed, notes = runs_of(tmp_path).listed()
    (found,) = listed
    assert found["name"] == "odd"
    assert {each["name"]: each["state"] for each in found["stages"]} == {
        "clean": "done",
        "more": "done",
        "test": "done",
        "model": "damaged",
    }
    assert found["score"]["metric"] == "f1"
    told = "\n".join(found["notes"])
    assert "model/recipe.lock.yaml: this is not a lock that danlu wrote; move the folder away" in told
    assert "test/scores.json: holds no scores that danlu wrote" in told
    assert "renamed: holds results of the stage 'clean'" in told
    assert len(found["notes"]) == 3
    assert [note.split(":")[0] for note in notes] == ["out", "\\udcff\\udcfe", "empty"]
    assert runs_of(tmp_path).log("odd", "more") is None
    assert runs_of(tmp_path).log("odd", "model") is not None


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    run = write_run(root, "inner")
    (root / "out").symlink_to(tmp_path)
    (run / "linked").symlink_to(tmp_path)
    runs = runs_of(tmp_path)
    for name in ("", ".", "..", "../runs", "inner/model", "/etc", "out", "a\0b", "\udcff", "x" * 5000, ".studio"):
        with pytest.raises(Problem, match="no_such"):
            runs.folder(name)
    for name in ("", "..", "../inner/model", "linked", "gone", "a\0b", "model/bundle"):
        with pytest.raises(Problem, match="no_such"):
            runs.stage("inner", name)


def test_runs_are_compared_by_what_differs(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    write_run(root, "one")
    write_run(root, "other", rate=1e-3, score=0.8)
    lock = root / "other" / "model" / "recipe.lock.yaml"
    lock.write_text(lock.read_text().replace("torch: '2.9'", "torch: '2.8'"))
    found = compared(runs_of(tmp_path), ["one", "other"])
    assert found["settings"] == [{"name": "model.train.rate", "values": ["0.0002", "0.001"]}]
    assert found["environment"] == [{"name": "torch", "values": ["2.9", "2.8, 2.9"]}]
    assert [(row["stage"], row["metric"]) for row in found["scores"]] == [("test", "accuracy"), ("test", "macro_f1")]
    assert [value["low"] for value in found["scores"][0]["values"]] == [0.88, 0.78]
    (root / "other" / "clean" / "recipe.lock.yaml").write_text("state: running\nstage: clean\n")
    found = compared(runs_of(tmp_path), ["one", "other"])
    assert len(found["notes"]) == 1
    assert found["settings"][0]["values"][1] is None
    with pytest.raises(Problem, match="1 to 8 runs"):
        compared(runs_of(tmp_path), ["one"] * 9)
