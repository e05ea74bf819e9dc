"""Folders that were damaged in hundreds of ways: each opens, or is one sentence."""

import os
import pickle
import signal
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from model_doors import DOORS, attempt, originals

from danlu.refusal import Refusal

SECONDS = 60  # of the clock, since machines are busy; an input takes 0.02 s
GROWTH = 2**30  # bytes that the process may grow by

ROUNDS = {"bundle": 25, "tagger": 15, "golden": 15, "model": 25, "network": 15, "saved": 20, "files": 20}
"""Damaged folders for each door; the long form opens more (`benchmarks/doors.py`)."""

Folders = dict[str, Path]


class Hung(BaseException):
    """An input took too long; no Exception, so that no door takes it for one of a library's."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Folders:
    pytest.importorskip("datasets", reason="the extra hub is not installed")
    return originals(tmp_path_factory.mktemp("sound"))


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No pickle is opened, no connection made, nothing hangs and memory is bounded."""
    reached: list[str] = []

    def refused(name: str) -> Callable[..., Any]:
        def call(*_: Any, **__: Any) -> Any:
            reached.append(name)
            raise AssertionError(name)

        return call

    for owner, name in ((torch, "load"), (pickle, "load"), (pickle, "loads"), (pickle, "Unpickler")):
        monkeypatch.setattr(owner, name, refused(name))
    for owner, name in ((socket.socket, "connect"), (socket, "getaddrinfo")):
        monkeypatch.setattr(owner, name, refused(name))
    monkeypatch.setattr(os, "system", refused("system"))
    before = _peak()
    yield
    assert not reached
    assert _peak() - before < GROWTH


@pytest.mark.parametrize("door", list(DOORS))
@pytest.mark.filterwarnings("ignore")  # libraries warn of what is odd in a folder
def test_a_damaged_folder_is_a_result_or_one_sentence(
    made: Folders, tmp_path: Path, watched: None, door: str, capfd: pytest.CaptureFixture[str]
) -> None:
    ended: Counter[str] = Counter()
    for seed in range(ROUNDS.get(door, 50)):
        with _in_time(f"{door} {seed}"):
            try:
                attempt(door, seed, made, tmp_path)
            except Refusal as refusal:
                assert "\n" not in str(refusal), seed  # noqa: PT017
                assert len(str(refusal)) < 5000, seed  # noqa: PT017
                ended["refused"] += 1
            except Exception as error:
                raise AssertionError(f"{door}, seed {seed}: {type(error).__name__}") from error
            else:
                ended["result"] += 1
    assert min(ended["result"], ended["refused"]) > 0  # else the damage would be too small, or too great
    assert not made[door].is_symlink()


def test_sound_folders_open(made: Folders) -> None:
    assert [DOORS[door](made[door]) for door in ("bundle", "tagger", "golden")] == [[], [], []]
    for door in DOORS:
        DOORS[door](made[door])


@contextmanager
def _in_time(what: str) -> Iterator[None]:
    """Raise where the block does not end in time; where there are no alarms, it is waited for."""
    if not hasattr(signal, "SIGALRM"):
        yield
        return

    def late(*_: Any) -> None:
        raise Hung(what)

    old = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, old)


def _peak() -> int:
    """The most memory that this process has had, in bytes; 0 where it is not told."""
    if sys.platform == "win32":
        return 0
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
