"""What those who run a server ask: which models there are, whether they are well, and to take them anew."""

import asyncio
from typing import Any

from fastapi import Request
from fastapi.responses import JSONResponse, Response

from danlu.refusal import Refusal
from danlu.serve.body import Body, checked
from danlu.serve.foreign import LOCAL
from danlu.serve.metrics import CONTENT
from danlu.serve.problem import Problem
from danlu.serve.service import Call, Service
from danlu.serve.shelf import Kept
from danlu.task.task import Task


class Reload(Body):
    """Which model; without one, all."""


async def models(service: Service, _call: Call) -> Response:
    """`GET /v1/models`."""
    return JSONResponse({"object": "list", "data": [_told(service, name) for name in service.shelf.names]})


async def model(service: Service, call: Call) -> Response:
    """`GET /v1/models/NAME`."""
    name = str(call.value.get("name", ""))
    return JSONResponse(_told(service, name))


def _told(service: Service, name: str) -> dict[str, Any]:
    with service.shelf.lease(name) as found:
        task = found.predictor.task
        return {
            "id": name,
            "object": "model",
            "created": 0,
            "owned_by": "danlu",
            "task": task.kind,
            "answers": task.answer_form,
            "reads": list(task.reads),
            "labels": list(task.label_names()),
            "max_length": found.predictor.network.limit,
            "precision": found.predictor.network.number_format,
            "fingerprint": found.fingerprint,
            "sample": task.sample[0],
            "samples": [task.tried(), *task.sample[1:]],
            "optional": list(task.also_reads),
            "characters_of": task.characters_of,
            "writes": writes(task),
        }


async def live(_request: Request) -> Response:
    """`GET /health/live`: the process answers."""
    return JSONResponse({"status": "live"})


def readiness(service: Service) -> Response:
    """`GET /health/ready`: all models answer as they did when they were saved, and the server is not ending."""
    drifted = {name: told for name, told in service.shelf.drifted.items() if told}
    if service.stopping:
        return JSONResponse({"status": "stopping"}, 503)
    if drifted:
        told = {"models": list(drifted)} if service.keys else {"differences": drifted}  # these hold what models say
        return JSONResponse({"status": "drifted", **told}, 503)
    return JSONResponse({"status": "ready", "models": service.shelf.names})


def counted(service: Service) -> Response:
    """`GET /metrics`."""
    service.metrics.drifted.clear()  # or one that is withdrawn would differ for ever
    for name, told in dict(service.shelf.drifted).items():
        service.metrics.drifted.labels(name).set(len(told))
    return Response(service.metrics.text(), media_type=CONTENT)


async def reload(service: Service, call: Call) -> Response:
    """`POST /admin/reload`: take a model anew from its folder, without losing a request."""
    refuse_strangers(service, call)
    body = checked(Reload, call.value)
    names = await reloaded(service, body.model)
    return JSONResponse({"reloaded": names})


async def reloaded(service: Service, name: str | None = None) -> list[str]:
    """The same for whoever asks, and the keys anew. Raises `Problem` where a model, or the keys, stay as they were."""
    loop = asyncio.get_running_loop()
    refused: list[str] = []
    try:
        await loop.run_in_executor(service.changing, service.take_keys)
    except Refusal as refusal:
        refused.append(str(refusal))
    try:
        names = await loop.run_in_executor(service.changing, service.shelf.reload, name)
    except Kept as kept:
        names = kept.taken
        refused.append(str(kept))
    except Problem:
        service.say("reload", refused="; ".join(refused) or None)  # of the keys
        raise
    service.say("reload", models=names, refused="; ".join(refused) or None)
    if refused:
        raise Problem(409, "not_reloaded", "; ".join(refused))
    return names


def refuse_strangers(service: Service, call: Call) -> None:
    """Raises `Problem` for who may not run the server: a key that is no admin's, or without keys another machine."""
    client = call.asking.request.client
    if service.keys:
        if call.key is None or not call.key.admin:
            raise Problem(403, "not_admin", "this key may not do that; use one of an admin")
    elif client is None or client.host not in LOCAL:
        raise Problem(403, "not_local", "without keys only this machine may do that")


def writes(task: Task) -> str | None:
    """By which of the routes that write it may be asked, if by any: `chat` or `completions`."""
    if task.answers_by != "generate" and type(task).prompts is Task.prompts:
        return None
    return "chat" if "messages" in task.columns else "completions"


def described(service: Service) -> dict[str, Any]:
    """Samples of each model by its name, for the page of the interface."""
    found = {}
    for name in service.shelf.names:
        with service.shelf.lease(name) as model:
            found[name] = {"task": model.predictor.task.kind, "samples": list(model.predictor.task.sample)}
    return found
