"""One training in a process of its own, so that the memory that it takes is its own: `python -m danlu.trials.measured`.

What is to be run comes as json on standard input, what happens goes out as lines of json: `said`, and at the end
`refused` or `done`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from danlu.machine.files import write_text
from danlu.machine.module_path import module_path
from danlu.machine.terminal import leave_streams, show
from danlu.refusal import Refusal
from danlu.trials.space import Source

COST = "cost.json"
"""In the folder of a training: the most memory that its process held, in bytes."""


def measure(
    source: Source,
    overrides: Sequence[str],
    root: Path,
    stage: str,
    seeds: Mapping[str, int],
    say: Callable[[str], None],
) -> None:
    """Run one stage, beside all others, in a process of its own, and leave `cost.json` in its folder.

    Raises:
        Refusal: what the stage refuses, or that its process was ended from outside.
    """
    given = source if isinstance(source, Mapping) else str(source)
    asked = {"source": given, "overrides": list(overrides), "root": str(root), "stage": stage, "seeds": dict(seeds)}
    # -P: the folder that this is called in, where data of others may lie, is no place of modules.
    command = [sys.executable, "-P", "-c", "from danlu.trials.measured import main; main()"]
    told = dict[str, Any]()
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True, "encoding": "utf-8"}
    pipes["env"] = os.environ | {"PYTHONPATH": os.pathsep.join(module_path())}
    with subprocess.Popen(command, **pipes) as process:  # noqa: S603 - our own words
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin:  # it has ended already, and below it is told with what
            process.stdin.write(json.dumps(asked))
        stopped = _heard(process, told, say)
    if stopped or process.returncode in (130, -2):
        raise KeyboardInterrupt
    if "refused" in told:
        raise Refusal(told["refused"])
    if "done" not in told:
        raise Refusal(f"its process ended with {process.returncode}; where that is -9, memory was short")


def _heard(process: "subprocess.Popen[str]", told: dict[str, Any], say: Callable[[str], None]) -> bool:
    """Read all that a process tells, into `told` but for what it says; whether it was stopped at the keyboard.

    A terminal tells that to the process, too, which then keeps what it has: it is waited for. The second time ends it.
    """
    assert process.stdout is not None
    stopped = False
    while True:
        try:
            for line in process.stdout:
                found = _read(line)
                if "said" in found:
                    say(found["said"])
                told |= found
        except KeyboardInterrupt:
            if stopped:
                process.terminate()
                raise
            stopped = True
        else:
            return stopped


def _read(line: str) -> dict[str, Any]:
    """What a line says; what a library has printed is something that was said."""
    try:
        told = json.loads(line)
    except ValueError:
        told = None
    return told if isinstance(told, dict) else {"said": line.rstrip()}


def main() -> None:
    """What the process does."""
    asked = json.load(sys.stdin)
    try:
        _run(asked)
    except (KeyboardInterrupt, BrokenPipeError):  # who has asked has gone
        leave_streams()
        sys.exit(130)
    except Refusal as refusal:
        _tell(refused=str(refusal))
    except MemoryError:
        _tell(refused="there is not enough memory")


def _run(asked: dict[str, Any]) -> None:
    import torch

    from danlu.machine.peak import Peak
    from danlu.stages.recipe import read
    from danlu.stages.run import run

    recipe = read(asked["source"], asked["overrides"])
    stage, root = asked["stage"], Path(asked["root"])
    try:
        with Peak() as peak:
            ran = run(recipe, root, [stage], lambda line: _tell(said=line), beside=True, seeds=asked["seeds"])
    except torch.OutOfMemoryError:
        _tell(refused="there is not enough memory on the device")
        return
    if not ran.stages[0].skipped:
        write_text(ran[stage] / COST, json.dumps({"peak_bytes": peak.bytes}) + "\n")
    _tell(done=True)


def _tell(**told: Any) -> None:
    show(json.dumps(told))
