"""Damaged inputs at every door end in a result or one sentence; `benchmarks/doors.py` tries ten thousand."""

import sys
from collections.abc import Iterator

import pytest
from model_doors import DOORS as FOLDERS
from watched import Watched

from doors import DOORS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory and time of a process are read from /proc")


@pytest.fixture(scope="module")
def watched() -> Iterator[Watched]:
    with Watched() as found:
        yield found


def test_every_door_is_seen() -> None:
    assert len(DOORS) > 30
    assert {"recipe", "override", "arguments", "requests", "evaluation", "run"} <= set(DOORS)
    assert sum(door.startswith("format:") for door in DOORS) >= 17


def test_damaged_files_of_every_format_are_read_or_refused(watched: Watched) -> None:
    kinds = [door for door in DOORS if door.startswith("format:")]
    ended = [watched.open(door, seed) for door in kinds for seed in range(8)]
    assert [f"{each.door} {each.seed}: {each.how}\n{each.detail}" for each in ended if not each.good] == []
    assert {"result", "refused"} <= {each.how for each in ended}


def test_damaged_recipes_arguments_requests_and_folders_are_answered_or_refused(watched: Watched) -> None:
    own = [door for door in DOORS if not door.startswith("format:") and door.removeprefix("folder:") not in FOLDERS]
    ended = [watched.open(door, seed) for door in own for seed in range(15)]
    assert [f"{each.door} {each.seed}: {each.how}\n{each.detail}" for each in ended if not each.good] == []
    assert {each.door for each in ended if each.how == "result"} >= {"requests", "evaluation", "run"}
