"""Programs in processes of their own: what they may, and what they may not."""

import os
from pathlib import Path

import pytest

from danlu.evaluate.scoring import run_code as module
from danlu.evaluate.scoring.run_code import OUTPUT, run_code
from danlu.refusal import Refusal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="limits of processes are those of POSIX")


def test_a_program_passes_that_comes_to_its_end():
    ran = run_code("def add(a, b):\n    return a + b\n\nprint('第一')\nassert add(1, 2) == 3")
    assert (ran.passed, ran.why, ran.said) == (True, "", "第一\n")


@pytest.mark.parametrize(
    ("program", "why", "said"),
    [
        ("assert 1 == 2, 'no'", "ended with exit status 1", "AssertionError: no"),
        ("def f(:", "ended with exit status 1", "SyntaxError"),
        ("print('\ud800'", "ended with exit status 1", "SyntaxError"),
        ("raise SystemExit(0)\nassert False", "ended before its last line", ""),
        ("import os\nos._exit(0)", "ended before its last line", ""),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGSEGV)", "was ended by SIGSEGV", ""),
        ("x = '''", "ended with exit status 1", "SyntaxError"),
        ("b = bytearray(1 << 30)", "ended with exit status 1", "MemoryError"),
    ],
)
def test_a_program_that_errs_does_not(program, why, said):
    ran = run_code(program, memory=1 << 28)
    assert not ran.passed
    assert ran.why == why
    assert said in ran.said


@pytest.mark.parametrize(
    "program", ["while True: pass", "import signal\nsignal.pause()", "import os\nos.read(os.pipe()[0], 1)"]
)
def test_a_program_that_does_not_end_is_ended(program):
    assert run_code(program, seconds=0.5).why == "took more than 0.5 s"


def test_what_it_has_started_ends_with_it(tmp_path):
    """A child that holds the writing end of a fifo: whoever reads gets to its end once the child is gone."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    program = f"""
import os, signal
held = os.open({str(fifo)!r}, os.O_WRONLY)
os.write(held, b"here")
if os.fork() == 0:
    signal.pause()
"""
    try:
        assert run_code(program).passed
        os.set_blocking(reader, True)
        assert os.read(reader, 10) == b"here"
        assert os.read(reader, 10) == b""
    finally:
        os.close(reader)


def test_it_stands_in_an_empty_folder_that_goes_with_it():
    ran = run_code("import os\nassert os.listdir() == []\nopen('a', 'w').write('x')\nprint(os.getcwd())")
    assert ran.passed
    assert not Path(ran.said.strip()).exists()


def test_it_inherits_no_environment_no_packages_and_no_input(monkeypatch):
    monkeypatch.setenv("SECRET", "x")
    monkeypatch.setenv("PYTHONPATH", str(Path.cwd()))
    program = """
import os, sys
assert "SECRET" not in os.environ and "PYTHONPATH" not in os.environ
assert sys.stdin.read() == ""
assert not any("site-packages" in path for path in sys.path)
try:
    import numpy
except ImportError:
    pass
else:
    raise AssertionError("numpy")
"""
    assert run_code(program).passed


def test_what_it_prints_and_writes_is_bounded():
    ran = run_code("import sys\nfor _ in range(100):\n    print('x' * 100_000)")
    assert not ran.passed
    assert len(ran.said) <= module.SAID
    ran = run_code(f"with open('large', 'wb') as file:\n    file.write(bytes({OUTPUT}))\n    file.write(b'x')")
    assert "File too large" in ran.said


def test_a_system_without_limits_is_refused(monkeypatch):
    monkeypatch.setattr(
        module, "_LAUNCH", module._LAUNCH.replace("resource.setrlimit", "raise OSError('none')\n        print")
    )
    with pytest.raises(Refusal, match=r"which this system does not set \(none\); do it on Linux"):
        run_code("pass")
