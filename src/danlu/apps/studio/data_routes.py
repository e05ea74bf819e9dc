"""What the studio is asked about data, recipes and bundles, and about what is under way in the background."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Literal

from fastapi import FastAPI, Request
from fastapi.responses import Response
from pydantic import Field

from danlu.apps.studio import bundle_routes, recipe_routes
from danlu.apps.studio.answering import changing, reading, whole
from danlu.apps.studio.data_files import data_files
from danlu.apps.studio.workbench import Workbench
from danlu.recipe.part import kinds
from danlu.refusal import Refusal
from danlu.serve.body import Body
from danlu.serve.problem import Problem, of_refusal
from danlu.serve.service import Service
from danlu.serve.site import Handler
from danlu.task.task import Task

SANDBOX = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'self'"
)
"""What a page that was made of people's texts may do: be looked at, in a frame of the studio."""
Language = Literal["en", "zh"]
POLLED = ("/v1/job",)
"""What a page asks again and again while it is open."""


class Look(Body):
    """What is looked for in which data."""

    what: Literal["read", "survey", "splits", "duplicates", "suspects"]
    data: str = Field(max_length=5_000, description="address of a file, or of prepared data")
    split: Literal["train", "validation", "test"] | None = None
    settings: list[str] = Field(default=[], max_length=32, description="of the format: key=value")
    column: str = Field(default="text", max_length=200, min_length=1, description="column with the text")
    label: str = Field(default="label", max_length=200, min_length=1, description="column with the label")
    similarity: float = Field(default=0.8, ge=0.3, le=1, description="from which texts are alike")
    language: Language = "en"


class Stop(Body):
    """What is under way, by its id."""

    id: str = Field(max_length=64)


TAKES = {
    "read": ("split", "settings"),
    "survey": ("settings", "column", "label"),
    "splits": ("settings", "label"),
    "duplicates": ("settings", "column", "similarity"),
    "suspects": ("split", "settings", "column", "label"),
}
"""The settings of each look; see `looks.py`."""


def posts(bench: Workbench) -> Mapping[str, tuple[Handler, type[Body]]]:
    """By path who answers, and the body that is taken."""

    def look(body: Look) -> Any:
        """Look at data in the background: read records, survey them, split by split, alike, probably wrong."""
        settings = {name: getattr(body, name) for name in TAKES[body.what]}
        if body.what == "survey":
            settings["name"] = body.data.partition(":")[2]
        return bench.look(body.what, body.data, settings, body.language).plain()

    def stop(body: Stop) -> Any:
        """Stop what is under way in the background."""
        bench.jobs.stop(body.id)
        return bench.jobs.find(body.id).plain()

    return {
        "/v1/look": changing(look, Look),
        "/v1/jobs/stop": changing(stop, Stop),
        **recipe_routes.posts(bench),
        **bundle_routes.posts(bench),
    }


def gets(bench: Workbench) -> Mapping[str, Handler]:
    """By path who answers."""

    def data(_asked: Mapping[str, str]) -> Any:
        """The data in the folders that are served, and the tasks that may learn from them."""
        found, more = data_files(bench.served)
        return {"data": [each.plain() for each in found], "more": more, "tasks": kinds(Task)}

    def records(asked: Mapping[str, str]) -> Any:
        """A page of records that a look has read: `look`, `first` (from 1), `count`."""
        kept = bench.records(asked.get("look", ""))
        page = kept.page(whole(asked, "first", 1), whole(asked, "count", 50))
        return {"rows": kept.rows, "columns": kept.facts["columns"], "records": page}

    def record(asked: Mapping[str, str]) -> Any:
        """One record nearly whole: `look`, `number`."""
        found = bench.records(asked.get("look", "")).record(whole(asked, "number", 1))
        if found is None:
            raise Problem(404, "no_such_record", "there is no record of this number", "number")
        return found

    def found(asked: Mapping[str, str]) -> Any:
        """Records that hold a text: `look`, `text`, `first`, `count`, `column`; `next` is where to go on."""
        kept, column = bench.records(asked.get("look", "")), asked.get("column") or None
        first, count = whole(asked, "first", 1), whole(asked, "count", 50)
        page, goes_on = kept.search(asked.get("text", "")[:1_000], first, count, column=column)
        return {"records": page, "next": goes_on, "rows": kept.rows}

    def jobs(_asked: Mapping[str, str]) -> Any:
        """What is under way, and what has ended."""
        return {"jobs": [job.plain() | {"lines": []} for job in bench.jobs.all()]}

    def job(asked: Mapping[str, str]) -> Any:
        """How far it has come: `id`."""
        return bench.jobs.find(asked.get("id", "")).plain()

    def result(asked: Mapping[str, str]) -> Any:
        """What it has found: `id`."""
        return bench.jobs.find(asked.get("id", "")).result()

    reads: dict[str, Callable[[Mapping[str, str]], Any]] = {
        "/v1/data": data,
        "/v1/records": records,
        "/v1/record": record,
        "/v1/found": found,
        "/v1/jobs": jobs,
        "/v1/job": job,
        "/v1/result": result,
    }
    told = {path: reading(read) for path, read in reads.items()}
    return {**told, **recipe_routes.gets(bench), **bundle_routes.gets(bench)}


def add_pages(app: FastAPI, service: Service, bench: Workbench) -> None:
    """Put the pages on it that looks have made. Who knows the id of one may see it: frames send no key."""

    @app.get("/made/{id}", include_in_schema=False)
    async def made(request: Request, id: str) -> Response:  # noqa: A002
        """A page, with a policy that lets it do nothing."""
        try:
            if not service.keys:
                service.caller(request)
            body = await asyncio.get_running_loop().run_in_executor(service.threads, bench.jobs.page, id)
        except Problem as problem:
            return problem.response()
        except Refusal as refusal:
            return of_refusal(refusal).response()
        headers = {"Content-Security-Policy": SANDBOX, "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        return Response(body, media_type="text/html; charset=utf-8", headers=headers)
