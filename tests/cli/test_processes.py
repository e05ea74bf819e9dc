"""`danlu run --processes`: a rank that is killed is named, and one process goes on with what two have left."""

import contextlib
import json
import os
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import started

from danlu.cli.main import main
from danlu.machine import processes
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


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "examples" / "classify", tmp_path, dirs_exist_ok=True)
    return tmp_path


class Ranks(list[started.Popen]):
    """The processes that the command starts, which begin at once."""

    def begin(self, words: list[str], env: dict[str, str]) -> started.Popen:
        assert env["RANK"] == str(len(self))
        self.append(started.Popen(words, env=env))
        return self[-1]

    def kill_second(self, model: Path) -> float:
        """Kill it once there is a checkpoint; when that was."""
        deadline = time.monotonic() + 240
        while not list(model.glob("checkpoints/step-*")):
            assert time.monotonic() < deadline
            assert all(process.poll() is None for process in self)
            time.sleep(0.01)
        os.kill(self[1].pid, signal.SIGKILL)
        return time.monotonic()


@pytest.mark.parametrize("page", ["docs/how-to/several-machines.md", "docs/how-to/several-machines.zh.md"])
def test_it_is_the_command_that_people_read(page: str) -> None:
    assert f"```text\n{COMMAND}\n```" in (ROOT / page).read_text(encoding="utf-8")


def test_a_rank_that_is_killed_is_named_and_another_number_goes_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    model = folder / "runs" / "reviews" / "model"
    ranks = Ranks()
    monkeypatch.setattr(processes, "subprocess", SimpleNamespace(Popen=ranks.begin))
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))
    monkeypatch.chdir(folder)
    with ThreadPoolExecutor(1) as pool:
        killed = pool.submit(ranks.kill_second, model)
        with pytest.raises(SystemExit) as ended:
            main([*COMMAND.split()[1:], *ONLY, *SHORT, *OFTEN])
        assert time.monotonic() - killed.result() < 60
    output, errors = capfd.readouterr()
    assert ended.value.code == 2, errors
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
