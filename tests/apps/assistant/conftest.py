"""A small assistant that has learnt its tickets, copied for each test that changes it."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.opening import begin, opened, take_sample
from danlu.apps.assistant.store import Store


@pytest.fixture(scope="session")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of an assistant with the sample tickets and a first version."""
    folder = tmp_path_factory.mktemp("assistant") / "assistant"
    with opened(folder) as assistant:
        take_sample(assistant, lambda _line: None)
        begin(assistant, lambda _line: None)
    return folder


@pytest.fixture
def folder(learnt: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    return shutil.copytree(learnt, tmp_path / "assistant")


@pytest.fixture
def assistant(folder: Path) -> Iterator[Assistant]:
    """The copy, opened; `now` may be set."""
    with opened(folder) as found:
        yield found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty database."""
    with Store(f"sqlite:///{tmp_path}/new.db") as found:
        yield found


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self, time: float = 1e9) -> None:
        self.time = time

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def clock() -> Callable[[], float]:
    return Clock()
