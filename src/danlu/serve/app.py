"""All routes of a server, and what its interface is said to be."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

import danlu
from danlu.serve.body import Body
from danlu.serve.foreign import welcomed
from danlu.serve.models import MODELS
from danlu.serve.problem import Problem
from danlu.serve.replaying import replaying
from danlu.serve.routes.operations import counted, live, readiness
from danlu.serve.routes.page import add_page
from danlu.serve.service import Service
from danlu.serve.site import Handler, Site

LEAVE = {"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "content-type"}


def app_of(service: Service, replay_seconds: float = 0.0, site: Site = MODELS) -> FastAPI:
    """The application; every `replay_seconds` its models are asked for their golden outputs (0: never)."""
    service.quiet = site.quiet

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(replaying(service, replay_seconds))
            if site.around is not None:
                await stack.enter_async_context(site.around(service))
            yield
        service.close()

    app = FastAPI(
        title="danlu", version=danlu.__version__, openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    for path, (handler, body) in site.posts.items():
        _post(app, service, site, path, handler, body)
    for path, handler in site.gets.items():
        _get(app, service, path, handler)
    site.adds(app, service)
    _read(app, service)
    add_page(app, site.pages)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        code = {404: "no_such_route", 405: "wrong_method"}.get(status, "refused")
        told = f"{getattr(error, 'detail', 'refused')}; the routes are told at /openapi.json"
        return await _worded(Problem(status, code, told), request)

    return app


def _post(app: FastAPI, service: Service, site: Site, path: str, handler: Handler, body: type[Body]) -> None:
    public = path in site.public

    async def answer(request: Request) -> Response:
        origin = welcomed(request, site.origins) if public else None
        guests = site.a_minute if origin else None
        response = await service.handle(request, path, lambda call: handler(service, call), guests=guests)
        if origin:
            response.headers.update({"Access-Control-Allow-Origin": origin, "Vary": "Origin"})
        return response

    async def asked_before(request: Request) -> Response:
        origin = welcomed(request, site.origins)
        leave = {**LEAVE, "Access-Control-Allow-Origin": origin, "Vary": "Origin"} if origin else {"Vary": "Origin"}
        return Response(status_code=204, headers=leave)

    schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
    content: dict[str, Any] = {"schema": schema}
    samples = site.samples(service) if site.samples is not None else {}
    if path in samples:
        content["examples"] = {name: {"value": value} for name, value in samples[path].items()}
    told = {"requestBody": {"required": True, "content": {"application/json": content}}}
    app.add_api_route(path, answer, methods=["POST"], openapi_extra=told, summary=handler.__doc__)
    if public:
        app.add_api_route(path, asked_before, methods=["OPTIONS"], include_in_schema=False)


def _get(app: FastAPI, service: Service, path: str, handler: Handler) -> None:
    async def answer(request: Request) -> Response:
        value = {**request.query_params, **request.path_params}
        return await service.handle(request, path, lambda call: handler(service, call), json_body=False, value=value)

    app.add_api_route(path, answer, methods=["GET"], summary=handler.__doc__)


def _read(app: FastAPI, service: Service) -> None:
    app.add_api_route("/health/live", live, methods=["GET"])
    app.add_api_route("/health/live", live, methods=["HEAD"], include_in_schema=False)

    @app.head("/health/ready", include_in_schema=False)
    @app.get("/health/ready")
    async def ready() -> Response:
        """Whether all models answer as they did when they were saved."""
        return readiness(service)

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        """What was counted, for Prometheus; with a key, where keys are wanted."""
        return await _refused(service, request) or counted(service)

    @app.get("/openapi.json", include_in_schema=False)
    async def interface(request: Request) -> Response:
        return await _refused(service, request) or JSONResponse(app.openapi())


async def _refused(service: Service, request: Request) -> Response | None:
    """What who has no key is told, where the server wants one."""
    try:
        service.caller(request)
    except Problem as problem:
        return await _worded(problem, request)
    return None


async def _worded(problem: Problem, request: Request) -> Response:
    return (await problem.worded(request.headers.get("accept-language", ""))).response()
