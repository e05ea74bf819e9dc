"""Runs and looks that the studio starts, for tests that are about what they do."""

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import pytest
import started

from danlu.apps.studio import jobs, processes


class Begun(started.Popen):
    """A process that begins at once, without what its Python is told: `-P`, and how it writes."""

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str] | None = None, **settings: Any) -> None:
        told = {name: value for name, value in (env or os.environ).items() if name != "PYTHONIOENCODING"}
        super().__init__([word for word in command if word != "-P"], env=told, **settings)


@pytest.fixture(scope="module")
def at_once() -> Iterator[None]:
    """What the studio starts begins at once; test_routes.py and test_looks.py start it as people do."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (jobs, processes):
            patch.setattr(module, "subprocess", SimpleNamespace(**vars(subprocess) | {"Popen": Begun}))
        yield
