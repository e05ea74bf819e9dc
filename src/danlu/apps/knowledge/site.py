"""What the application offers over HTTP: questions answered, the folder followed, its documents told, and a page."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from fastapi.responses import JSONResponse, Response
from pydantic import Field

from danlu.apps.grounded.asked import LONGEST
from danlu.apps.knowledge.following import Turn
from danlu.apps.knowledge.knowledge import Knowledge
from danlu.index.document import LONGEST_NAME
from danlu.refusal import Refusal
from danlu.serve.body import Body, checked
from danlu.serve.problem import Problem
from danlu.serve.service import Call, Service
from danlu.serve.site import Handler, Site

LISTED = 1000
"""Documents and unread files that are told at once."""

ANYWAY = 20
"""Times that a folder is looked at, of which one reads all files again though none seems to have moved."""

AROUND = 20_000
"""Characters of a document that are shown before and behind a place."""


class Before(Body):
    """The question before, as `read_as` and `subject` of its answer told it."""

    question: str = Field(max_length=LONGEST)
    subject: str = Field(default="", max_length=LONGEST)


class Ask(Body):
    """A question, which may follow another."""

    question: str
    before: Before | None = None


class Refresh(Body):
    """Nothing but the wish."""


def site_of(knowledge: Knowledge, every: float) -> Site:
    """The site of a folder, which is looked at again `every` so many seconds (0: when asked alone)."""

    @asynccontextmanager
    async def following(service: Service) -> AsyncIterator[None]:
        task = asyncio.ensure_future(_follow(knowledge, service, every))
        try:
            yield
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    routes = _Routes(knowledge)
    gets: dict[str, Handler] = {"/v1/documents": routes.documents, "/v1/text": routes.text}
    return Site(
        posts={"/v1/ask": (routes.ask, Ask), "/v1/refresh": (routes.refresh, Refresh)},
        gets=gets,
        pages=("danlu.serve", "danlu.apps.knowledge"),
        samples=lambda _: {
            "/v1/ask": {
                "a question": {"question": "When does the last ferry leave?"},
                "one that follows": {
                    "question": "它几点开门？",
                    "before": {"question": "听雨茶馆是谁创办的？", "subject": "听雨茶馆"},
                },
            }
        },
        around=following if every else None,
    )


class _Routes:
    """The handlers of one folder."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge

    async def ask(self, service: Service, call: Call) -> Response:
        """Answer a question from the documents, with the pieces that the answer rests on, or say why there is none."""
        body = checked(Ask, call.value)
        before = None if body.before is None else Turn(body.before.question, body.before.subject)
        found = await call.asking.apart(lambda: self.knowledge.ask(body.question, before))
        return JSONResponse({"object": "answer", **found.to_plain()})

    async def refresh(self, service: Service, call: Call) -> Response:
        """Look at the folder again, and tell what was added, changed and removed, and what cannot be read."""
        checked(Refresh, call.value)
        await call.asking.apart(self.knowledge.refresh, service.changing)
        told = await call.asking.apart(lambda: _refreshed(self.knowledge, call.asking.worded))
        return JSONResponse({"object": "refreshed", **told})

    async def documents(self, service: Service, call: Call) -> Response:
        """The documents by their ids, what became of the folder, and how answers come about."""
        names = await call.asking.apart(self.knowledge.index.names)
        told = await call.asking.apart(lambda: _refreshed(self.knowledge, call.asking.worded))
        models = self.knowledge.models
        given = {"embedder": models.embedder, "ranker": models.ranker, "reader": models.reader}
        given["generator"] = models.generator
        return JSONResponse(
            {
                "object": "documents",
                "folder": self.knowledge.folder.name,
                "count": len(names),
                "documents": names[:LISTED],
                "models": {name: each.folder.name for name, each in given.items() if each is not None},
                "threshold": self.knowledge.grounder.bar.rates or None,
                **told,
            }
        )

    async def text(self, service: Service, call: Call) -> Response:
        """What a document says around the characters `start` to `end`: `/v1/text?document=ID&start=0&end=10`."""
        name = str(call.value.get("document", ""))[:LONGEST_NAME]
        start, end = (_number(call.value, key) for key in ("start", "end"))
        document = await call.asking.apart(lambda: self.knowledge.document(name))
        if document is None:
            raise Problem(404, "no_such_document", f"there is no document '{name:.200}' (any more)", "document")
        first = max(0, min(start, len(document.text)) - AROUND)
        last = min(len(document.text), max(start, min(end, start + AROUND)) + AROUND)
        told = {"document": name, "title": document.title, "characters": len(document.text), "start": first}
        return JSONResponse({"object": "text", **told, "text": document.text[first:last]})


def _number(value: dict[str, Any], key: str) -> int:
    told = str(value.get(key, "0"))
    if not (told.isascii() and told.isdecimal() and len(told) < 12):
        raise Problem(400, "invalid_value", f"'{key}' is to be a number of characters, 0 or more", key)
    return int(told)


def _refreshed(knowledge: Knowledge, worded: Callable[[str], str]) -> dict[str, Any]:
    done = knowledge.refreshed
    return {
        "notes": [worded(note) for note in knowledge.notes],
        "added": done.added,
        "changed": done.changed,
        "removed": done.removed,
        "unread": [{"file": name, "reason": worded(reason)} for name, reason in done.unread[:LISTED]],
        "refreshed_at": round(knowledge.at, 3),
    }


async def _follow(knowledge: Knowledge, service: Service, every: float) -> None:
    """Look at the folder again and again; what goes wrong stands in the log, and the next time may go right.

    Files are read where names, sizes or times have moved, or the threshold has, and every `ANYWAY` times, as some are
    changed without that.
    """
    loop = asyncio.get_running_loop()
    seen: object = None
    times = 0
    while True:
        await asyncio.sleep(every)
        try:
            now = await loop.run_in_executor(service.changing, _now, knowledge)
            times = 0 if now != seen else times + 1
            if times % ANYWAY:
                continue
            done = await loop.run_in_executor(service.changing, knowledge.refresh)
            seen = now
        except Refusal as refusal:
            service.say("refresh", refused=str(refusal))
        except Exception as error:
            service.say("refresh", failed=type(error).__name__)
        else:
            if done.added or done.changed or done.removed:
                service.say("refresh", added=done.added, changed=done.changed, removed=done.removed)


def _now(knowledge: Knowledge) -> tuple[object, object]:
    """What moves where there is something to be taken over."""
    try:
        told = knowledge.threshold.stat()
    except OSError:
        return stamp(knowledge.folder), None
    return stamp(knowledge.folder), (told.st_size, told.st_mtime_ns, told.st_ino)


def stamp(folder: Path) -> frozenset[tuple[str, int, int]]:
    """Names, sizes and times of all files of a folder; empty where it is gone."""
    found = set()
    for place, _, names in os.walk(folder):
        for name in names:
            path = Path(place) / name
            with suppress(OSError):  # it went away meanwhile
                told = path.stat()
                found.add((str(path), told.st_size, told.st_mtime_ns))
    return frozenset(found)
