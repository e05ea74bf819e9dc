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

from danlu.data.engine import Engine
from danlu.data.engines.local import Local
from danlu.refusal import Refusal

ROOT = Path(__file__).parents[2]
TWO = Local(processes=2)


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    """What a script in a Python of its own says."""
    env = os.environ | {"PYTHONPATH": str(ROOT / "src"), "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    return subprocess.run([sys.executable, *arguments], capture_output=True, text=True, env=env, check=False)


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


def test_an_exception_is_raised_to_the_caller_and_the_processes_end() -> None:
    with pytest.raises(ZeroDivisionError):
        list(TWO.map(partial(truediv, 1), [1, 2, 3, 4, 5, 0, 7, 8]))


def test_a_process_that_is_killed_is_told_in_a_sentence() -> None:
    with pytest.raises(Refusal, match=r"ended \(exit status -9\), perhaps for want of memory; write 'engine:"):
        list(TWO.map(eval, ["__import__('os').kill(__import__('os').getpid(), 9)"] * 8))


def test_a_script_without_a_guard_may_use_processes(tmp_path: Path) -> None:
    script = tmp_path / "plain.py"
    script.write_text(
        "from danlu.data.engines.local import Local\nprint(sum(Local(processes=2).map(abs, range(-10, 0))))\n"
    )
    done = ran(str(script))
    assert (done.stdout, done.stderr) == ("55\n", "")


def test_the_processes_end_with_the_one_that_started_them(tmp_path: Path) -> None:
    script = tmp_path / "dies.py"
    script.write_text(
        "import os\nfrom danlu.data.engines.local import Local\n"
        "pids = Local(processes=2).map(eval, [\"__import__('os').getpid()\"] * 99)\n"
        "print(next(pids), flush=True)\nos._exit(0)\n"
    )
    pid = int(ran(str(script)).stdout)
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    raise AssertionError("a process was left behind")


def test_ray_gives_the_same_results() -> None:
    if find_spec("ray") is None:
        pytest.skip("the package ray is not installed")
    script = (
        "from danlu.data.engine import Engine\n"
        "engine = Engine.model_validate({'kind': 'ray', 'processes': 1})\n"
        "print(list(engine.map(abs, range(-9, 0))))\n"
        "from danlu.refusal import Refusal\nimport functools, operator\n"
        "try:\n    list(engine.map(functools.partial(operator.truediv, 1), [1, 0]))\n"
        "except ZeroDivisionError as error:\n    print(error)\n"
    )
    done = ran("-c", script)
    assert done.stdout.splitlines() == [str(list(range(9, 0, -1))), "division by zero"], done.stderr[-2000:]


def test_without_ray_the_remedy_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danlu.data.engines.ray.find_spec", lambda name: None)
    with pytest.raises(Refusal, match=r"pip install 'danlu\[ray\]'"):
        list(Engine.model_validate("ray").map(abs, [1]))
