"""`log.jsonl`: a line of json for every few steps and every validation."""

import errno
import json
from pathlib import Path

from danlu.machine.files import full_disk_refused, write_text
from danlu.train.recorder import Line, Outcome, Recorder

NAME = "log.jsonl"


class Jsonl(Recorder):
    """Write `log.jsonl`."""

    def open(self, folder: Path, step: int) -> "JsonlWriter":
        """Keep the lines up to `step` and go on after them."""
        return JsonlWriter(folder / NAME, step)


class JsonlWriter:
    """An open `log.jsonl`."""

    def __init__(self, path: Path, step: int) -> None:
        """Keep the lines up to `step`, leaving out a last one that was cut off."""
        kept = [line for line in read(path) if line["step"] <= step]
        write_text(path, "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in kept))
        self._path = path
        self._file = path.open("ab", buffering=0)  # a buffer that a full disk does not take would fail again in close

    def write(self, line: Line) -> None:
        """Add one line, visible to readers at once; raises `Refusal` when the disk is full."""
        data = (json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8")
        with full_disk_refused(self._path):
            if self._file.write(data) < len(data):
                raise OSError(errno.ENOSPC, "no room for the whole line")

    def close(self, outcome: Outcome) -> None:
        """Close the file; how the training was left stands in the lock."""
        self._file.close()


def read(path: Path) -> list[Line]:
    """The lines of a log; one that an interruption has cut off is left out."""
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines[:-1] if line]
