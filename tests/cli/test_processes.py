"""`danlu run --processes`: a rank that is killed is named, and one process goes on with what two have left."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from danlu.stages.recipe import read
from danlu.stages.run import run

ROOT = Path(__file__).parents[2]
COMMAND = "danlu run recipe.yaml model.train.parallel=ddp --processes 2"
ONLY = ["--only", "clean", "--only", "vocab", "--only", "model"]
SHORT = [
    "model.train.accumulate=2",
    "model.train.epochs=null",
    "model.train.steps=60",
    "model.train.precision=float32",
]
OFTEN = ["model.train.checkpoint_seconds=0.01", "model.train.evaluate=1000"]


def rank_of(process: psutil.Process) -> str:
    try:
        return process.environ().get("RANK", "")
    except psutil.Error:
        return ""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples" / "classify", tmp_path, dirs_exist_ok=True)
    return tmp_path


def started(folder: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "danlu", *COMMAND.split()[1:], *ONLY, *SHORT, *OFTEN],
        cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("page", ["docs/how-to/several-machines.md", "docs/how-to/several-machines.zh.md"])
def test_it_is_the_command_that_people_read(page: str) -> None:
    assert f"```text\n{COMMAND}\n```" in (ROOT / page).read_text(encoding="utf-8")


def test_a_rank_that_is_killed_is_named_and_another_number_goes_on(folder: Path) -> None:
    model = folder / "runs" / "reviews" / "model"
    killed = started(folder)
    deadline = time.monotonic() + 240
    while not list(model.glob("checkpoints/step-*")):
        assert killed.poll() is None, killed.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    (second,) = [each for each in psutil.Process(killed.pid).children() if rank_of(each) == "1"]
    os.kill(second.pid, signal.SIGKILL)
    begun = time.monotonic()
    output, errors = killed.communicate(timeout=60)
    assert time.monotonic() - begun < 60
    assert killed.returncode == 2
    assert "danlu: rank 1 was ended by SIGKILL, and so the others were ended as well" in errors
    assert "rank 0: rank 1 has ended" in errors
    assert "Traceback" not in errors
    assert "for several machines, on each of them: torchrun --nnodes" in output
    assert "model: 2 ranks share the 2 batches of each step (ddp)" in output
    assert not (model / "bundle").exists()

    lines: list[str] = []
    with contextlib.chdir(folder):
        recipe = read("recipe.yaml", ["model.train.parallel=ddp", *SHORT, *OFTEN])
        ran = run(recipe, only=ONLY[1::2], say=lines.append)
    assert [stage.skipped for stage in ran.stages] == [True, True, False]
    assert [line for line in lines if line.startswith("model: goes on where it was interrupted, at step")]
    assert "model: goes on with 1 rank where 2 were before: other last digits" in lines
    steps = [json.loads(line)["step"] for line in (model / "log.jsonl").read_text().splitlines()]
    assert steps[-1] == 60
    assert steps == sorted(steps)
    assert (model / "bundle" / "danlu.json").is_file()
