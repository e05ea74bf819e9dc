"""What the studio is asked about runs: the list, one run, its curves, samples and output; to start and to stop."""

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import Field

from danlu.apps.studio import processes
from danlu.apps.studio.answering import changing, reading
from danlu.apps.studio.comparison import compared
from danlu.apps.studio.samples import samples_of
from danlu.apps.studio.studio import Studio
from danlu.serve.body import Body
from danlu.serve.problem import Problem
from danlu.serve.site import Handler

POLLED = ("/v1/runs", "/v1/run", "/v1/curves", "/v1/samples", "/v1/comparison")
"""What the page asks again and again."""


class Start(Body):
    """A recipe by the name of its file, and values that replace its own: `stage.key=value`."""

    recipe: str = Field(max_length=255)
    overrides: list[str] = Field(default=[], max_length=64)


class OfRun(Body):
    """A run by its name."""

    run: str = Field(max_length=255)


def posts(studio: Studio) -> Mapping[str, tuple[Handler, type[Body]]]:
    """By path who answers, and the body that is taken."""

    def start(body: Start) -> Any:
        """Start a recipe of the working folder, as `danlu run` does, in a process of its own."""
        return {"run": studio.start(body.recipe, body.overrides)}

    def stop(body: OfRun) -> Any:
        """Stop a run as Ctrl-C does: a training leaves a checkpoint, from which it goes on."""
        studio.stop(body.run)
        return {"run": body.run}

    def resume(body: OfRun) -> Any:
        """Run the same once more: what is done is skipped, what was interrupted goes on."""
        return {"run": studio.resume(body.run)}

    return {
        "/v1/start": changing(start, Start),
        "/v1/stop": changing(stop, OfRun),
        "/v1/resume": changing(resume, OfRun),
    }


def gets(studio: Studio) -> Mapping[str, Handler]:
    """By path who answers."""
    return {path: reading(read) for path, read in reads(studio).items()}


def reads(studio: Studio) -> Mapping[str, Callable[[Mapping[str, str]], Any]]:
    """By path what is said of the values of a query."""

    def runs(_asked: Mapping[str, str]) -> Any:
        """All runs at a glance, the recipes that can be started, and what else lies in the folder."""
        studio.reap()
        found, notes = studio.runs.listed()
        recipes = [
            {"file": name, "name": each.name, "wrong": each.wrong or None} for name, each in studio.recipes().items()
        ]
        told = {"folder": str(studio.root), "working": str(studio.working), "now": time.time()}
        return {**told, "runs": found, "recipes": recipes, "notes": notes}

    def run(asked: Mapping[str, str]) -> Any:
        """One run at a glance, and the end of what it has said."""
        name = asked.get("run", "")
        folder = studio.runs.folder(name)
        return {**studio.runs.at_a_glance(name), "output": processes.output(folder), "now": time.time()}

    def curves(asked: Mapping[str, str]) -> Any:
        """The curves of a stage in some hundred points, validations, notices and the newest lines of its log."""
        name, stage = asked.get("run", ""), asked.get("stage", "")
        log = studio.runs.log(name, stage)
        if log is None:
            raise Problem(404, "no_log", f"the stage '{stage:.100}' has no log (yet)", "stage")
        try:
            found = log.shown()
        except OSError as error:
            told = f"the log of '{stage:.100}' cannot be read ({str(error.strerror).lower()})"
            raise Problem(404, "no_log", told, "stage") from None
        studio.read_on(log)
        return {"run": name, "stage": stage, **found}

    def samples(asked: Mapping[str, str]) -> Any:
        """What a model that is trained has written at its validations."""
        return {"samples": samples_of(studio.runs.stage(asked.get("run", ""), asked.get("stage", "")))}

    def comparison(asked: Mapping[str, str]) -> Any:
        """Some runs side by side, `/v1/comparison?runs=["a","b"]`: scores, and what differs."""
        try:
            names = json.loads(asked.get("runs", "[]")[:10_000])
        except (ValueError, RecursionError):
            names = None
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise Problem(400, "invalid_value", "runs: expected a list of names in JSON", "runs")
        return compared(studio.runs, names)

    return dict(zip(POLLED, (runs, run, curves, samples, comparison), strict=True))
