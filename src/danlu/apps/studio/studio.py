"""What the studio looks at, and what it may start."""

import re
import subprocess
import threading
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

from danlu.apps.studio import processes
from danlu.apps.studio.lines_of_log import read_block
from danlu.apps.studio.log_file import PIECE, LogFile
from danlu.apps.studio.recipe_file import RecipeFile, at_a_glance
from danlu.apps.studio.runs import Runs
from danlu.recipe.read import overridden, packaged, written
from danlu.refusal import Refusal
from danlu.serve.problem import Problem
from danlu.stages.recipe import Recipe

SLICE = 0.05
"""Seconds that a log is read on before who asks for it may look."""

LONGEST = 2000
"""Characters of an override."""

_NAME = re.compile(r"\w[\w-]{0,63}")


class Studio:
    """The folders that a page shows, and the runs that it has started.

    - `root`: of all runs, one folder each. `working`: where recipes lie, and where what is started works.
    """

    def __init__(self, root: Path, working: Path) -> None:
        self.root, self.working = root, working
        self.runs = Runs(root, working)
        read_block(b'{"step": 1, "loss": 1.0, "validation": {}}\n')  # Arrow's first table takes a third of a second
        self._started: dict[str, subprocess.Popen[bytes]] = {}
        self._behind: dict[Path, LogFile] = {}
        self._state = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def recipes(self) -> dict[str, RecipeFile]:
        """All recipes that may be started: those of the working folder, and those that come with danlu."""
        return self.runs.recipes_here() | {name: each for name, each in _packaged().items() if each is not None}

    def start(self, recipe: str, overrides: Sequence[str] = ()) -> str:
        """Start a recipe; gives the name of the run.

        Raises:
            Problem: there is no such recipe here, it runs already, or an override is none.
            Refusal: what stands in it cannot be a recipe.
        """
        if recipe not in self.recipes():
            raise Problem(404, "no_such_recipe", f"there is no recipe '{recipe:.100}' in the working folder", "recipe")
        for override in overrides:
            if len(override) > LONGEST or "\0" in override or "=" not in override:
                raise Problem(400, "invalid_value", f"'{override:.80}' is no STAGE.KEY=VALUE", "overrides")
        source = recipe if recipe in packaged() else self.working / recipe
        top = [key for key in Recipe.model_fields if key != "stages"]
        name = overridden(written(source), overrides, top).data.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise Refusal(f"{recipe}: 'name' is to be letters, digits, '-' and '_', at most 64 of them")
        folder = self.root / name
        if folder.exists():
            folder = self.runs.folder(name)
        earlier = self._started.get(name)
        if (earlier is not None and earlier.poll() is None) or (folder.exists() and processes.living(folder)):
            raise Problem(409, "running", f"'{name}' runs already; stop it first, or wait for it")
        self._started[name] = processes.start(folder, recipe, overrides, self.root, self.working)
        return name

    def stop(self, name: str) -> None:
        """Stop a run as Ctrl-C does. Raises `Problem` where nothing runs."""
        if not processes.stop(self.runs.folder(name)):
            raise Problem(409, "not_running", f"'{name:.100}' does not run on this machine")

    def resume(self, name: str) -> str:
        """Run once more what a run was started with, here or elsewhere.

        Raises:
            Problem: no recipe here has its name, or it runs already.
        """
        last = processes.read_started(self.runs.folder(name))
        if last is not None:
            return self.start(last.recipe, last.overrides)
        recipe = next((file for file, each in self.recipes().items() if each.name == name), None)
        if recipe is None:
            told = f"no recipe in the working folder has the name '{name:.100}', so it cannot be run from here"
            raise Problem(409, "no_such_recipe", told)
        return self.start(recipe)

    def read_on(self, log: LogFile) -> None:
        """Let a log be read to its end while nobody waits."""
        with self._state:
            self._behind[log.path] = log
            if self._thread is None and not self._closed:
                self._thread = threading.Thread(target=self._read, name="danlu-studio", daemon=True)
                self._thread.start()
            self._state.notify()

    def close(self) -> None:
        """End its thread; what it has started goes on."""
        with self._state:
            self._closed = True
            self._state.notify()
        if self._thread is not None:
            self._thread.join()

    def _read(self) -> None:
        while True:
            with self._state:
                while not self._behind and not self._closed:
                    self._state.wait()
                if self._closed:
                    return
                path, log = self._behind.popitem()
            with suppress(OSError):
                offset, size = log.look(SLICE)
                if size - offset > PIECE:
                    with self._state:
                        self._behind = {path: log, **self._behind}  # others take their turn

    def reap(self) -> None:
        """Let go of what has ended; a process that nobody waits for would be told to live."""
        self._started = {name: process for name, process in self._started.items() if process.poll() is None}


@cache
def _packaged() -> dict[str, RecipeFile | None]:
    return {name: at_a_glance(name) for name in packaged()}
