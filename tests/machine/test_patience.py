"""Threads of commands that answer sleep soon where others want their cores; those that train have another way."""

import os

import pytest

from danlu.cli.main import COMMANDS, TRAINING, main
from danlu.machine.patience import SPINS


@pytest.fixture(autouse=True)
def _unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT"):
        monkeypatch.setenv(name, "")  # so that it is as before afterwards
        monkeypatch.delenv(name)


def _after(*words: str) -> str | None:
    with pytest.raises(SystemExit):
        main(words)
    return os.environ.get("GOMP_SPINCOUNT")


@pytest.mark.parametrize("command", ["predict", "chat", "serve", "evaluate"])
def test_commands_that_answer_wait_briefly(command: str) -> None:
    assert _after(command, "--help") == str(SPINS)


@pytest.mark.parametrize("command", TRAINING)
def test_commands_that_train_wait_as_libgomp_does(command: str) -> None:
    assert command in COMMANDS
    assert _after(command, "--help") is None


@pytest.mark.parametrize(("name", "value"), [("OMP_WAIT_POLICY", "active"), ("GOMP_SPINCOUNT", "7")])
def test_what_the_user_has_set_holds(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    assert _after("predict", "--help") == (value if name == "GOMP_SPINCOUNT" else None)
