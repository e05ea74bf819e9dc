"""Checkpoints that a training goes back to.

They are made at steps that do not depend on the clock, so that a training repeats itself exactly. Two are kept: what
has spoilt the weights may have done so some steps before it shows.
"""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

from danlu.refusal import Refusal
from danlu.train.checkpoint import step_of
from danlu.train.checkpoints import Checkpoints
from danlu.train.events import Returned
from danlu.train.finite import REMEDY
from danlu.train.guard import Standing
from danlu.train.loop import Step

if TYPE_CHECKING:
    from danlu.train.run import TrainingRun

FOLDER = "returns"
MARGIN = 10  # steps before a spike from which nothing is gone back to


class Anchors:
    """The places of the last two, each `every` steps apart."""

    def __init__(self, folder: Path, every: int) -> None:
        """In `folder`, that of the training."""
        self.folder, self.every = folder / FOLDER, every

    def due(self, step: int) -> bool:
        """Whether there is to be one after so many steps; there always is one to begin with."""
        return step % self.every == 0 or not self._steps()

    def place(self, step: int) -> Path:
        """Where the checkpoint of a step goes, in place of the last but one."""
        return self.folder / str(step // self.every % 2)

    def before(self, step: int) -> Path | None:
        """The newest one that lies far enough before a step, or else the oldest; None where there is none."""
        found = [(number, place) for number, place in self._steps() if number <= step]
        far = [each for each in found if each[0] <= step - min(MARGIN, self.every)]
        return max(far)[1] if far else min(found)[1] if found else None

    def forget_after(self, step: int) -> None:
        """Remove those of steps that were gone back before."""
        for number, place in self._steps():
            if number > step:
                shutil.rmtree(place)

    def remove(self) -> None:
        """Remove all, once the training is done."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _steps(self) -> list[tuple[int, Path]]:
        places = [self.folder / name for name in ("0", "1")]
        return [(step, place) for place in places if (step := step_of(place)) is not None]


def lay_anchor(run: "TrainingRun") -> None:
    """Save what can be gone back to, where it is time to."""
    anchors, step = run.anchors, run.state.step
    if anchors and run.ranks.choice(anchors.due(step)) and run.sound():
        run.save(anchors.place(step))


def go_back(run: "TrainingRun", step: Step, why: str) -> Returned:
    """Let a training be what it was some time before a step, and leave out the data that it has read since.

    Raises:
        Refusal: there is nothing to go back to.
    """
    anchors = run.anchors
    found = run.ranks.told(lambda: str((anchors and anchors.before(step.number)) or ""))
    if not anchors or not found:
        raise Refusal(f"{why}; there is nothing to go back to in {run.folder / FOLDER}; {REMEDY}")
    run.optimizer.state.clear()  # what has begun to move since has no moments there
    run.state = run.restored(Checkpoints(Path(found), run.parameters, run.ranks))
    run.ranks.total([0.0])  # all have read it before the first one removes any
    if run.scaler:
        run.scaler.scale, run.scaler.good = run.state.scale, run.state.good
    start, groups = run.state.step, step.number + 1 - run.state.step
    run.guard.returned(start, groups, Standing.read(run.state.guard))
    if run.ranks.first:
        anchors.forget_after(start)
    line = run.placed({"event": "rollback", "from": step.number, "left_out_batches": groups})
    told = f"{why}; back at step {start:,}, from where it goes on without the data of these {groups:,} steps"
    return Returned(line, told, start)
