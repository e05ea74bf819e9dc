"""SwanLab: files in `runs/<recipe>/swanlab.record` that `swanlab sync` sends, or, where asked, at once."""

import re
import shutil
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from danlu.train.recorder import Line, Outcome, Recorder
from danlu.train.tracked import Journal, told

_STATES: dict[Outcome, str] = {"done": "success", "returned": "aborted", "interrupted": "aborted", "failed": "crashed"}


class Swanlab(Recorder):
    """Write for SwanLab; nothing leaves the machine before `swanlab sync`, unless `mode` is `online`."""

    modules: ClassVar[tuple[str, ...]] = ("swanlab",)

    mode: Literal["offline", "online"] = Field(
        default="offline", description="online: send at once, with the key that `swanlab login` has kept"
    )
    project: str | None = Field(
        default=None,
        pattern=r"^[0-9a-zA-Z_\-+.]{1,100}$",
        description="letters and digits; None: the name of the recipe",
    )
    workspace: str | None = Field(default=None, min_length=1, description="team or user; None: the one of the key")

    def open(self, folder: Path, step: int) -> "SwanlabWriter":
        """Begin a run, or go on with the one that an interrupted training has begun."""
        import swanlab

        subject = told(folder)
        journal = Journal(folder, self.kind, subject, late=self.mode == "offline")
        place = subject.runs / "swanlab.record"
        place.mkdir(exist_ok=True)
        if journal.cut_short:
            shutil.rmtree(place / journal.cut_short, ignore_errors=True)  # all of it is told anew
        # Without what it would find out by itself of the machine: host, arguments, remotes of git, packages, output.
        nothing = dict.fromkeys(("hardware", "runtime", "requirements", "conda", "git", "swanlab", "monitor"), False)
        settings = swanlab.Settings(
            interactive=False,
            probe=swanlab.Settings.Probe(**nothing),
            terminal=swanlab.Settings.Terminal(proxy_type="none"),
        )
        with redirect_stdout(StringIO()):  # nothing else keeps it from talking
            run = swanlab.init(
                reinit=True,
                mode=self.mode,
                log_dir=str(place),
                workspace=self.workspace,
                project=self.project or _in_letters(subject.recipe),
                name=subject.name,
                group=subject.fingerprint or None,
                id=journal.record,
                resume="allow",
                config=subject.flat,
                settings=settings,
            )
        journal.part(run.dir.name)
        return SwanlabWriter(run, journal)


class SwanlabWriter:
    """An open run."""

    def __init__(self, run: Any, journal: Journal) -> None:
        """Write into a run of SwanLab what the journal says that it lacks."""
        self._run, self._journal = run, journal
        journal.catch_up(self._tell)

    def write(self, line: Line) -> None:
        """Add every number of a line."""
        self._journal.tell(line, self._tell)

    def close(self, outcome: Outcome) -> None:
        """End the run; its state tells how the training was left."""
        state = _STATES[outcome]
        with redirect_stdout(StringIO()):
            self._run.finish(state=state, error="the training failed" if state == "crashed" else None)
        self._journal.close(outcome)

    def _tell(self, numbers: dict[str, float], step: int) -> None:
        self._run.log(numbers, step=step)


def _in_letters(name: str) -> str:
    """A name that SwanLab takes for a project; letters of other scripts stand as their numbers."""
    return re.sub(r"[^0-9a-zA-Z_\-+.]", lambda found: f"{ord(found[0]):x}", name)[:100]
