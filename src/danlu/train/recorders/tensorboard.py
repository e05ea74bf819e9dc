"""Event files for TensorBoard, in the folder `tensorboard` of the run."""

from pathlib import Path
from typing import Any

from danlu.refusal import Refusal
from danlu.train.recorder import Line, Recorder


class Tensorboard(Recorder):
    """Write event files; look at them with `tensorboard --logdir runs`."""

    def open(self, folder: Path, step: int) -> "TensorboardWriter":
        """Begin an event file; TensorBoard hides what an interrupted run wrote after `step`.

        Raises:
            Refusal: the package `tensorboard` is not installed.
        """
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise Refusal(
                "train.recorders: 'tensorboard' needs a package that is not installed; "
                "run: pip install 'danlu[tensorboard]'"
            ) from error
        return TensorboardWriter(SummaryWriter(str(folder / "tensorboard"), purge_step=step + 1))


class TensorboardWriter:
    """An open event file."""

    def __init__(self, writer: Any) -> None:
        """Write through torch's `SummaryWriter`."""
        self._writer = writer

    def write(self, line: Line) -> None:
        """Add every number of a line as a scalar."""
        numbers = {f"train/{name}": value for name, value in line.items() if isinstance(value, int | float)}
        numbers |= {f"validation/{name}": value for name, value in line.get("validation", {}).items()}
        for name, value in numbers.items():
            if name not in {"train/step", "train/seconds"}:
                self._writer.add_scalar(name, value, line["step"])

    def close(self) -> None:
        """Write what is pending."""
        self._writer.close()
