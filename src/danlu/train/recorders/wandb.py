"""Weights & Biases: files in `runs/<recipe>/wandb.record` that `wandb sync` sends, or, where asked, at once."""

import os
import shutil
from pathlib import Path
from typing import Any, ClassVar, Literal

from pydantic import Field

from danlu.train.recorder import Line, Outcome, Recorder
from danlu.train.tracked import Journal, told

_CODES: dict[Outcome, int] = {"done": 0, "returned": 0, "interrupted": 255, "failed": 1}
"""What a run of wandb ends with; 255 is what it holds for a run that was stopped by hand."""


class Wandb(Recorder):
    """Write for Weights & Biases; nothing leaves the machine before `wandb sync`, unless `mode` is `online`."""

    modules: ClassVar[tuple[str, ...]] = ("wandb",)

    mode: Literal["offline", "online"] = Field(
        default="offline", description="online: send at once, with the key that `wandb login` has kept"
    )
    project: str | None = Field(default=None, min_length=1, description="None: the name of the recipe")
    entity: str | None = Field(default=None, min_length=1, description="team or user; None: the one of the key")

    def open(self, folder: Path, step: int) -> "WandbWriter":
        """Begin a run, or go on with the one that an interrupted training has begun."""
        # Before its import: wandb would tell its makers of errors, which offline looks for a host all the same.
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
        import wandb

        subject = told(folder)
        journal = Journal(folder, self.kind, subject, late=self.mode == "offline")
        place = subject.runs / "wandb.record"
        place.mkdir(exist_ok=True)
        if journal.cut_short:
            shutil.rmtree(place / "wandb" / journal.cut_short, ignore_errors=True)  # all of it is told anew
        # Without what it would find out by itself of the machine: user, host, arguments, remotes of git, packages.
        settings = wandb.Settings(
            root_dir=str(place),
            silent=True,
            console="off",
            disable_git=True,
            disable_code=True,
            save_code=False,
            disable_job_creation=True,
            init_timeout=30,
            x_disable_meta=True,
            x_disable_stats=True,
            x_disable_machine_info=True,
            x_save_requirements=False,
        )
        run = wandb.init(
            mode=self.mode,
            project=self.project or subject.recipe,
            entity=self.entity,
            id=journal.record,
            name=subject.name,
            group=subject.fingerprint or None,
            config=subject.flat,
            resume="allow" if self.mode == "online" else None,  # offline it would only warn: the name is what goes on
            reinit="create_new",
            settings=settings,
        )
        journal.part(Path(run.dir).parent.name)
        return WandbWriter(run, journal)


class WandbWriter:
    """An open run."""

    def __init__(self, run: Any, journal: Journal) -> None:
        """Write into a run of wandb what the journal says that it lacks."""
        self._run, self._journal = run, journal
        journal.catch_up(self._tell)

    def write(self, line: Line) -> None:
        """Add every number of a line."""
        self._journal.tell(line, self._tell)

    def close(self, outcome: Outcome) -> None:
        """End the run; its summary tells how the training was left."""
        self._run.summary["outcome"] = outcome
        self._run.finish(exit_code=_CODES[outcome])
        self._journal.close(outcome)

    def _tell(self, numbers: dict[str, float], step: int) -> None:
        self._run.log(numbers, step=step)
