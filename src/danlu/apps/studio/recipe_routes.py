"""What the studio is asked about a recipe that is being written."""

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Literal

from fastapi.responses import Response
from pydantic import Field

from danlu.apps.studio.answering import changing, reading, told
from danlu.apps.studio.form import Edit, digest, form_of, save, schema_of_recipes
from danlu.apps.studio.workbench import Workbench, refuse_settings
from danlu.machine.files import write_text
from danlu.recipe.read import packaged
from danlu.recipe.yaml_text import LONGEST, parse
from danlu.refusal import Refusal
from danlu.serve.body import Body, checked
from danlu.serve.service import Call, Service
from danlu.serve.site import Handler

Language = Literal["en", "zh"]


class Edited(Body):
    """The text of a recipe, and what is to change in it."""

    text: str = Field(max_length=LONGEST, description="YAML")
    edits: list[Edit] = Field(default=[], max_length=256)
    language: Language = "en"


class Saved(Body):
    """A recipe to be saved under a name; `replaces` is the digest of a file that may be written over."""

    name: str = Field(max_length=64)
    text: str = Field(max_length=LONGEST, description="YAML")
    replaces: str | None = Field(default=None, max_length=64)


class Checked(Body):
    """A recipe to be looked over."""

    text: str = Field(max_length=LONGEST, description="YAML")
    language: Language = "en"


class Begun(Body):
    """Data and what is to be learnt from them."""

    task: str = Field(max_length=64)
    data: str = Field(max_length=5_000, description="address of a file or folder")
    settings: list[str] = Field(default=[], max_length=32, description="as `danlu init` takes them: key=value")
    from_model: str = Field(default="", max_length=1_000, description="folder or name on the hub; or scratch")
    language: Language = "en"


def posts(bench: Workbench) -> Mapping[str, tuple[Handler, type[Body]]]:
    """By path who answers, and the body that is taken."""

    async def form(_service: Service, call: Call) -> Response:
        """A recipe after some edits: its text, what it holds, and what is wrong with it, by key."""
        body = checked(Edited, call.value)
        work = partial(form_of, body.text, body.edits, body.language)
        return told((await call.asking.apart(work)).plain())

    def keep(body: Saved) -> Any:
        """Save a recipe in the working folder, never over another unless that is said."""
        path = save(bench.working, body.name, body.text, body.replaces)
        return {"file": path.name, "digest": digest(path)}

    def check(body: Checked) -> Any:
        """Look a recipe over before it runs, in the background: `danlu check`."""
        name = _name(body.text)

        def words(folder: Path) -> list[str]:
            file = folder / f"{name}.yaml"
            write_text(file, body.text)
            root = bench.told(bench.served.folders["runs"].resolve())
            return ["danlu", "check", str(file), "--root", root, "--html", str(folder / "page.html")]

        return bench.jobs.start("check", name, words, language=body.language).plain()

    def begin(body: Begun) -> Any:
        """A recipe that `danlu init` guesses of data, in the background."""
        refuse_settings(body.settings)
        settings = {"task": body.task, "settings": body.settings, "model": body.from_model or None}
        return bench.look("begin", body.data, settings, body.language).plain()

    return {
        "/v1/form": (form, Edited),
        "/v1/recipe": changing(keep, Saved),
        "/v1/check": changing(check, Checked),
        "/v1/begin": changing(begin, Begun),
    }


def gets(bench: Workbench) -> Mapping[str, Handler]:
    """By path who answers."""

    def recipe(asked: Mapping[str, str]) -> Any:
        """The text of a recipe of the working folder, or of one that comes with danlu: `file`."""
        name = asked.get("file", "")
        if name in packaged():
            from importlib.resources import files

            return {"text": (files("danlu") / "recipes" / f"{name}.yaml").read_text("utf-8"), "digest": None}
        path = bench.served.inside(f"working:{name}")
        if path.suffix not in (".yaml", ".yml") or not path.is_file() or path.stat().st_size > 4 * LONGEST:
            raise Refusal(f"'{name:.200}' is no recipe of the working folder; choose one of those that are shown")
        try:
            return {"text": path.read_text("utf-8-sig"), "digest": digest(path)}
        except UnicodeDecodeError:
            raise Refusal(f"{name:.200}: is not UTF-8 text; save the file as UTF-8") from None

    def schema(asked: Mapping[str, str]) -> Any:
        """The JSON Schema of recipes in a `language`, of which the form is made; at first it takes seconds."""
        return json.loads(schema_of_recipes("zh" if asked.get("language") == "zh" else "en"))

    reads: dict[str, Callable[[Mapping[str, str]], Any]] = {"/v1/recipe/text": recipe, "/v1/schema": schema}
    return {path: reading(read) for path, read in reads.items()}


def _name(text: str) -> str:
    """The name that a recipe gives itself; raises `Refusal` where it is none that a file may have."""
    values = parse(text, "the recipe")[0]
    name = values.get("name") if isinstance(values, dict) else None
    if not isinstance(name, str) or (not name.replace("-", "_").isidentifier() and not name.replace("-", "").isalnum()):
        raise Refusal("the recipe has no 'name' of letters, digits, '-' and '_'; give it one")
    return name[:64]
