"""Recorders beside each other: what one of them is, or fails at, is no matter of the others."""

from pathlib import Path
from typing import Any

from danlu.train.events import Noticed
from danlu.train.recorder import Line, Outcome, Recorder, Writer
from danlu.train.recording import recorded


class Kept(Recorder):
    """Keeps what was written in a list that it holds itself, and so has no hash."""

    lines: list[Any]
    fails: bool = False

    def open(self, folder: Path, step: int) -> Writer:
        if self.fails:
            raise OSError("no room")
        return _Kept(self.lines)


class _Kept:
    def __init__(self, lines: list[Any]) -> None:
        self.lines = lines

    def write(self, line: Line) -> None:
        self.lines.append(line["step"])

    def close(self, outcome: Outcome) -> None:
        self.lines.append(outcome)


def written(folder: Path, recorders: list[Recorder]) -> list[str]:
    """What is said while two lines are told to these."""
    said: list[str] = []
    with recorded(folder, 0, recorders, say=said.append) as tell:
        for step in (1, 2):
            tell(Noticed({"step": step}, "a word"))
    return said


def test_recorders_that_are_equal_and_hold_lists_write_each_their_own(tmp_path: Path) -> None:
    recorders: list[Recorder] = [Kept.model_construct(lines=[]) for _ in range(3)]
    assert written(tmp_path, recorders) == []
    assert [recorder.lines for recorder in recorders if isinstance(recorder, Kept)] == [[1, 2, "interrupted"]] * 3


def test_one_that_fails_as_it_opens_keeps_none_of_the_others_from_opening(tmp_path: Path) -> None:
    recorders = [Kept.model_construct(lines=[], fails=place == 0) for place in range(3)]
    [told] = written(tmp_path, [*recorders])
    assert "has failed (no room)" in told
    assert [recorder.lines for recorder in recorders] == [[], [1, 2, "interrupted"], [1, 2, "interrupted"]]
