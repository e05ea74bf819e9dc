"""What takes longer than a page waits: processes in the background, with their lines, their results and an end."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from danlu.refusal import Refusal

MOST = 3
"""Processes at a time."""
KEPT = 40
"""Of those that have ended, how many are remembered with their folder."""
LINES = 400
LONGEST_LINE = 2_000
GRACE = 5.0  # seconds from being told to end to being ended

RESULT, PAGE = "result.json", "page.html"
"""What a process leaves in its folder: what it has found, and a page to look at."""

PROGRESS = "\x1e"
"""Begins a line that tells how far a process has come, `done/total what`; it takes the place of the one before."""


@dataclass(eq=False)
class Job:
    """A process; `state` is "running", "done", "failed" or "stopped".

    - `what`: its sort, a word that pages know; `about`: what it is done to.
    - `folder`: its own, for what it leaves; `id` cannot be guessed, so that who knows it may see its page.
    """

    id: str
    what: str
    about: str
    folder: Path
    process: "subprocess.Popen[bytes]"
    begun: float
    page: Path
    state: str = "running"
    ended: float | None = None
    stopping: bool = False
    progress: str = ""
    lines: deque[str] = field(default_factory=lambda: deque(maxlen=LINES))

    def plain(self) -> dict[str, Any]:
        """What a page is told of it."""
        seconds = (self.ended or time.monotonic()) - self.begun
        return {
            "id": self.id,
            "what": self.what,
            "about": self.about,
            "state": self.state,
            "seconds": round(seconds, 1),
            "progress": self.progress,
            "lines": list(self.lines),
            "page": self.state == "done" and self.page.is_file(),
            "result": self.state == "done" and (self.folder / RESULT).is_file(),
        }

    def result(self) -> Any:
        """What it has found. Raises `Refusal` where it has left nothing."""
        try:
            return json.loads((self.folder / RESULT).read_bytes())
        except (OSError, ValueError):
            raise Refusal("there is no result, for it has not ended well; begin it anew") from None


class Jobs:
    """All that is under way; may be called from any thread. `working` is where its processes work."""

    def __init__(self, working: Path) -> None:
        self._working = working
        self._scratch = Path(tempfile.mkdtemp(prefix="danlu-studio-"))
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(
        self,
        what: str,
        about: str,
        words: Callable[[Path], Sequence[str]],
        *,
        language: str = "en",
        page: Callable[[Path], Path] = lambda folder: folder / PAGE,
    ) -> Job:
        """Start `python -m WORDS`, given the folder of its own that it may write to; `page` is where its page will be.

        Raises:
            Refusal: too much is under way.
        """
        with self._lock:
            if sum(job.state == "running" for job in self._jobs.values()) >= MOST:
                raise Refusal(f"{MOST} things are under way; wait until one has ended, or stop one")
            self._forget()
            id_ = secrets.token_hex(16)
            folder = self._scratch / id_
            folder.mkdir()
            command = [sys.executable, "-P", "-m", *words(folder)]  # -P: data named like a module is no module
            told = {"DANLU_LANGUAGE": language, "PYTHONIOENCODING": "utf-8", "COLUMNS": "120"}
            process = subprocess.Popen(  # noqa: S603
                command,
                cwd=self._working,
                env=os.environ | told,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            job = Job(id_, what, about, folder, process, time.monotonic(), page(folder))
            self._jobs[id_] = job
        threading.Thread(target=self._follow, args=(job,), daemon=True).start()
        return job

    def find(self, id_: str) -> Job:
        """The process of an id. Raises `Refusal` where there is none."""
        found = self._jobs.get(id_)
        if found is None:
            raise Refusal("this is no longer known here; begin it anew")
        return found

    def page(self, id_: str) -> bytes:
        """The page that one has left. Raises `Refusal` where there is none."""
        job = self.find(id_)
        try:
            if job.state == "done":
                return job.page.read_bytes()
        except OSError:
            pass
        raise Refusal("there is no page, for it has not ended well; begin it anew")

    def all(self) -> list[Job]:
        """The latest first."""
        return sorted(self._jobs.values(), key=lambda job: -job.begun)

    def stop(self, id_: str) -> None:
        """Tell it to end, and end it if it does not. Raises `Refusal` where there is none."""
        job = self.find(id_)
        if job.state == "running":
            job.stopping = True
            _signal(job, signal.SIGTERM)
            timer = threading.Timer(GRACE, _end, (job,))
            timer.daemon = True
            timer.start()

    def drop(self, id_: str) -> None:
        """Forget one with all that it has left; it is ended first."""
        job = self._jobs.pop(id_, None)
        if job is not None:
            if job.state == "running":
                job.stopping = True
                _signal(job, _KILL)
                job.process.wait()
            shutil.rmtree(job.folder, ignore_errors=True)

    def close(self) -> None:
        """End all, and remove what they have left."""
        for job in self._jobs.values():
            if job.state == "running":
                _signal(job, _KILL)
                job.process.wait()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _follow(self, job: Job) -> None:
        assert job.process.stdout is not None
        with job.process.stdout as stream:
            while data := stream.readline(LONGEST_LINE):
                line = data.decode("utf-8", "replace").rpartition("\r")[2].rstrip("\n")
                if line.startswith(PROGRESS):
                    job.progress = line[1:]
                elif line.strip():
                    job.lines.append(line)
        code = job.process.wait()
        job.ended = time.monotonic()
        job.state = "stopped" if job.stopping else "done" if code == 0 else "failed"

    def _forget(self) -> None:
        ended = [job for job in self.all() if job.state != "running"]
        for job in ended[KEPT - 1 :]:
            del self._jobs[job.id]
            shutil.rmtree(job.folder, ignore_errors=True)


_KILL = signal.SIGTERM if os.name == "nt" else signal.SIGKILL


def _end(job: Job) -> None:
    if job.state == "running":
        _signal(job, _KILL)


def _signal(job: Job, number: int) -> None:
    with suppress(OSError):
        if os.name == "nt":
            job.process.terminate()
        else:
            os.killpg(job.process.pid, number)  # what it has started itself ends with it
