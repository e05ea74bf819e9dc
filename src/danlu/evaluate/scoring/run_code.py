"""Programs that a model has written, run in a process of their own.

This keeps a program that errs from harming what is beside it: it has limits of time, memory and output, an empty
folder, no environment and no installed packages. It is no wall against a program that means harm, which may open
files, send over the network, and leave its process group, with the rights of whoever runs it. Run programs of a model
that you do not trust in a container or a virtual machine without network.
"""

import os
import secrets
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from tempfile import TemporaryDirectory

from danlu.refusal import Refusal

OUTPUT = 1 << 20  # bytes that a program may print, and write into each file
_LACKING = "programs are run under limits of time and memory alone, which this system does not set"
SAID = 2000  # characters of what it printed that are kept, from the end

# Limits are set by the process itself before it becomes the program: other threads are alive in ours, and nothing but
# exec is safe between fork and exec there. -I: no environment, no user's packages, no folder of the script as a place
# of modules; -S: no installed packages; -B: no bytecode.
_LAUNCH = """
import os, resource, sys
seconds, memory, output = map(int, sys.argv[1:4])
try:
    for limit, soft, hard in (
        (resource.RLIMIT_CPU, seconds, seconds + 1),
        (resource.RLIMIT_AS, memory, memory),
        (resource.RLIMIT_FSIZE, output, output),
        (resource.RLIMIT_NOFILE, 64, 64),
        (resource.RLIMIT_CORE, 0, 0),
    ):
        most = resource.getrlimit(limit)[1]
        hard = hard if most == resource.RLIM_INFINITY else min(hard, most)
        resource.setrlimit(limit, (min(soft, hard), hard))
except (OSError, ValueError) as error:
    sys.exit(f"{sys.argv[5]} {error}")
os.execv(sys.executable, [sys.executable, "-I", "-S", "-B", "-X", "utf8", sys.argv[4]])
"""


@dataclass(frozen=True)
class Ran:
    """How a program has ended.

    - `why`: in words why it has not passed; "" where it has.
    - `said`: the end of what it printed, errors included.
    """

    why: str
    said: str

    @property
    def passed(self) -> bool:
        """Whether it came to its end without an error."""
        return not self.why


def run_code(program: str, *, seconds: float = 10, memory: int = 1 << 30) -> Ran:
    """Run a Python program to its end, or until it takes more than `seconds` or `memory` (bytes).

    It passes if it comes to its last line and ends with exit status 0; one that ends itself before its tests does not.
    What it has started in its process group ends with it.

    Raises:
        Refusal: the system knows no such limits.
    """
    if os.name != "posix":
        raise Refusal(f"{_LACKING}; do it on Linux")
    done, lacking = secrets.token_hex(16), secrets.token_hex(16)
    with TemporaryDirectory(prefix="danlu-code-", ignore_cleanup_errors=True) as folder:
        file, printed, inside = (Path(folder) / name for name in ("program.py", "printed", "inside"))
        inside.mkdir()
        file.write_text(f"{program}\nprint({done!r}, flush=True)\n", encoding="utf-8", errors="replace")
        limits = [ceil(seconds), memory, OUTPUT]
        with printed.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 - whoever calls has asked for it
                [sys.executable, "-I", "-S", "-c", _LAUNCH, *map(str, limits), str(file), lacking],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=inside,
                env={},
                start_new_session=True,
            )
            try:
                status = process.wait(seconds)
            except subprocess.TimeoutExpired:
                status = None
            finally:
                _end(process)
        said = printed.read_bytes().decode("utf-8", "replace")
    if lacking in said:
        raise Refusal(f"{_LACKING} ({said.partition(lacking)[2].strip()}); do it on Linux")
    return Ran(_why(status, seconds, reached=done in said), said.replace(f"{done}\n", "")[-SAID:])


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Kill all that is left of the group."""
    with suppress(ProcessLookupError, PermissionError):  # macOS says the latter of a group that has ended
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _why(status: int | None, seconds: float, *, reached: bool) -> str:
    if status is None or status == -signal.SIGXCPU:
        return f"took more than {seconds:g} s"
    if status < 0:
        return f"was ended by {signal.Signals(-status).name}"
    if status:
        return f"ended with exit status {status}"
    return "" if reached else "ended before its last line"
