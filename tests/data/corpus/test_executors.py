import os
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from operator import truediv
from pathlib import Path

import pytest

from danlu.data.corpus.executor import Executor
from danlu.data.corpus.executors.local import Local
from danlu.machine.seed import generator
from danlu.refusal import Refusal

ROOT = Path(__file__).parents[3]
TWO = Local(processes=2)


def ran(*arguments: str, cwd: Path | None = None, path: str = str(ROOT / "src")) -> subprocess.CompletedProcess[str]:
    """What a script in a Python of its own says."""
    env = os.environ | {"PYTHONPATH": path, "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, check=False, cwd=cwd)


def plant(folder: Path) -> Path:
    """Modules that lie beside the data, and would tell if anybody ran them."""
    for name in (
        "numpy",
        "pydantic",
        "pyarrow",
        "orjson",
        "regex",
        "jieba",
        "xxhash",
        "torch",
        "subprocess",
        "pathlib",
    ):
        (folder / f"{name}.py").write_text(f"open({str(folder / 'ran')!r}, 'a').write('{name}')\n")
    return folder / "ran"


def test_results_come_in_order_from_other_processes() -> None:
    assert list(TWO.map(abs, range(-50, 0))) == list(range(50, 0, -1))
    assert os.getpid() not in set(TWO.map(eval, ["__import__('os').getpid()"] * 8))


def test_few_items_start_no_process() -> None:
    assert set(TWO.map(eval, ["__import__('os').getpid()"] * 4)) == {os.getpid()}


def test_items_are_taken_as_they_are_needed() -> None:
    taken = []

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = TWO.map(abs, items())
    assert next(results) == 0
    assert len(taken) < 12
    results.close()  # type: ignore[attr-defined]


class Counted:
    """A function that holds much, and writes down each time that it is packed."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __call__(self, item: int) -> int:
        return item + 1

    def __reduce__(self) -> tuple[object, ...]:
        self.log.write_text(self.log.read_text() + "packed\n" if self.log.exists() else "packed\n")
        return partial, (abs,)


def test_the_function_is_packed_once_however_many_items_there_are(tmp_path: Path) -> None:
    """A fitted filter holds 75 MB, which went with every chunk."""
    function = Counted(tmp_path / "log")
    assert list(TWO.map(function, range(-30, 0))) == list(range(30, 0, -1))
    assert function.log.read_text() == "packed\n"


def test_an_exception_is_raised_to_the_caller_and_the_processes_end() -> None:
    with pytest.raises(ZeroDivisionError):
        list(TWO.map(partial(truediv, 1), [1, 2, 3, 4, 5, 0, 7, 8]))


def test_a_process_that_is_killed_is_told_in_a_sentence() -> None:
    with pytest.raises(Refusal, match=r"ended \(exit status -9\), perhaps for want of memory; write 'executor:"):
        list(TWO.map(eval, ["__import__('os').kill(__import__('os').getpid(), 9)"] * 8))


def test_a_script_without_a_guard_may_use_processes(tmp_path: Path) -> None:
    script = tmp_path / "plain.py"
    script.write_text(
        "from danlu.data.corpus.executors.local import Local\nprint(sum(Local(processes=2).map(abs, range(-10, 0))))\n"
    )
    done = ran(str(script))
    assert (done.stdout, done.stderr) == ("55\n", "")


def test_the_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "dies.py"
    script.write_text(
        "import os\nfrom danlu.data.corpus.executors.local import Local\n"
        "pids = Local(processes=2).map(eval, [\"__import__('os').getpid()\"] * 99)\n"
        "print(next(pids), flush=True)\nos._exit(0)\n"
    )
    pid = int(ran(str(script)).stdout)
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    raise AssertionError("a process was left behind")


def test_a_process_at_work_says_nothing_when_its_caller_is_killed(tmp_path: Path) -> None:
    script = tmp_path / "dies.py"
    script.write_text(
        "import os\nfrom danlu.data.corpus.executors.local import Local\n"
        "slow = \"__import__('time').sleep(0.5), 'x' * 10**7, __import__('os').getpid()\"\n"
        "pids = Local(processes=2).map(eval, [slow] * 99)\n"
        "next(pids)\nos.kill(os.getpid(), 9)\n"
    )
    killed = ran(str(script))  # waits until all that hold its standard error have ended
    assert (killed.returncode, killed.stderr) == (-9, "")


def test_an_interruption_reaches_the_caller_alone_and_leaves_no_process(tmp_path: Path) -> None:
    script = tmp_path / "stopped.py"
    script.write_text(
        "import os, signal\nfrom danlu.data.corpus.executors.local import Local\n"
        "def items():\n"
        "    yield from range(5)\n"
        "    os.killpg(0, signal.SIGINT)  # as Ctrl-C does, while the others still start\n"
        "    yield from range(99)\n"
        "try:\n    list(Local(processes=2).map(abs, items()))\n"
        "except KeyboardInterrupt:\n    print('interrupted')\n"
    )
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=env, check=False, process_group=0
    )
    assert (done.stdout, done.stderr) == ("interrupted\n", "")


MAP = """
from danlu.data.corpus.executors.local import Local
print(len(set(Local(processes=2).map(len, ['好' * n for n in range(9)]))))
"""


@pytest.mark.parametrize("path", ["{src}", "{src}:", ":{src}", "{src}::/nowhere"])
def test_modules_that_lie_beside_the_data_are_never_run(path: str, tmp_path: Path) -> None:
    told = plant(tmp_path)
    (tmp_path / "script").mkdir()
    script = tmp_path / "script" / "own.py"  # in a folder of its own, as the command `danlu` is
    clean = "import sys\nfrom danlu.machine.module_path import module_path\nsys.path[:] = module_path()\n"
    script.write_text(f"{clean if path != '{src}' else ''}{MAP}\n")
    src = str(ROOT / "src")
    if path != "{src}":  # Python itself would run them: only what is no module of its own is planted
        for name in ("subprocess", "pathlib"):
            (tmp_path / f"{name}.py").unlink()
    done = ran(str(script), cwd=tmp_path, path=path.format(src=src))
    assert (done.stdout, done.stderr) == ("9\n", "")
    assert not told.exists()


def test_a_folder_that_is_named_is_a_place_of_modules(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def double(item):\n    return item * 2\n")
    script = (
        "import mine\nfrom danlu.data.corpus.executors.local import Local\n"
        "print(*Local(processes=2).map(mine.double, range(9)))"
    )
    done = ran("-c", script, cwd=tmp_path, path=os.pathsep.join([str(ROOT / "src"), str(tmp_path)]))
    assert (done.stdout, done.stderr) == ("0 2 4 6 8 10 12 14 16\n", "")


RAY = """
import functools, operator, sys
from pathlib import Path
from danlu.data.corpus import ingest
from danlu.data.corpus.executor import Executor
from danlu.stages.stage import Place, Stage

executor = Executor.model_validate({"kind": "ray", "processes": 1})
print(list(executor.map(abs, range(-9, 0))))
try:
    list(executor.map(functools.partial(operator.truediv, 1), [1, 0]))
except ZeroDivisionError as error:
    print(error)
ingest.CHUNK = 20_000
folder, said = Path(sys.argv[1]), []
for kind in ("local", "ray"):
    data = {"kind": "text", "path": str(folder / "a.txt")}
    stage = Stage.model_validate({"kind": "prepare", "data": data, "executor": {"kind": kind, "processes": 1}})
    stage.run(Place(folder / kind, {}, "fingerprint", 0, "en", said.append))
"""


def test_ray_does_the_same_byte_for_byte(tmp_path: Path) -> None:
    if find_spec("ray") is None:
        pytest.skip("the package ray is not installed")
    lines = ["".join(map(chr, generator("ray", row).integers(0x4E00, 0x6000, 40).tolist())) for row in range(700)]
    (tmp_path / "a.txt").write_text("\n".join(lines + lines[::3]), encoding="utf-8")
    ran_too = plant(tmp_path)
    done = ran("-P", "-c", RAY, str(tmp_path), cwd=tmp_path)
    assert done.stdout.splitlines() == [str(list(range(9, 0, -1))), "division by zero"], done.stderr[-2000:]
    files = [{path.name: path.read_bytes() for path in (tmp_path / kind).iterdir()} for kind in ("local", "ray")]
    assert files[0] == files[1]
    assert len(files[0]) == 6
    assert not ran_too.exists()


def test_without_ray_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.data.corpus.executors.ray.find_spec", lambda name: None)
    with pytest.raises(Refusal, match=r"pip install 'danlu\[ray\]'"):
        list(Executor.model_validate("ray").map(abs, [1]))
