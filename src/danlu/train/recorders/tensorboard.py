"""Event files for TensorBoard, in the folder `tensorboard` of the run."""

from pathlib import Path
from typing import Any, ClassVar

from danlu.recipe.yaml_text import dump
from danlu.train.recorder import Line, Outcome, Recorder
from danlu.train.tracked import numbers, told


class Tensorboard(Recorder):
    """Write event files; look at them with `tensorboard --logdir runs`."""

    modules: ClassVar[tuple[str, ...]] = ("tensorboard",)

    def open(self, folder: Path, step: int) -> "TensorboardWriter":
        """Begin an event file; TensorBoard hides what an interrupted run wrote after `step`."""
        from torch.utils.tensorboard import SummaryWriter

        writer = SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1)
        if step == 0:
            settings = dump(told(folder).nested)
            writer.add_text("recipe", "".join(f"    {line}\n" for line in settings.splitlines()), 0)  # a block of code
        return TensorboardWriter(writer)


class TensorboardWriter:
    """An open event file."""

    def __init__(self, writer: Any) -> None:
        """Write through torch's `SummaryWriter`."""
        self._writer, self._step = writer, 0

    def write(self, line: Line) -> None:
        """Add every number of a line as a scalar."""
        self._step = line["step"]
        for name, value in numbers(line).items():
            self._writer.add_scalar(name, value, self._step)

    def close(self, outcome: Outcome) -> None:
        """Write what is pending, and how the training was left."""
        self._writer.add_text("outcome", outcome, self._step)
        self._writer.close()
