"""All routes of a server, and what its interface is said to be."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

import danlu
from danlu.serve.body import Body
from danlu.serve.problem import Problem
from danlu.serve.replaying import replaying
from danlu.serve.routes.chat import Chat, chat
from danlu.serve.routes.completions import Completions, completions
from danlu.serve.routes.feedback import Judged, feedback
from danlu.serve.routes.operations import Reload, counted, described, live, models, readiness, reload
from danlu.serve.routes.page import add_page
from danlu.serve.routes.predict import Predict, predict, predict_lines
from danlu.serve.routes.vectors import Embeddings, Rerank, embeddings, rerank
from danlu.serve.service import Call, Service

Handler = Callable[[Service, Call], Awaitable[Response]]

POSTS: dict[str, tuple[Handler, type[Body]]] = {
    "/v1/predict": (predict, Predict),
    "/v1/chat/completions": (chat, Chat),
    "/v1/completions": (completions, Completions),
    "/v1/embeddings": (embeddings, Embeddings),
    "/v1/rerank": (rerank, Rerank),
    "/v1/feedback": (feedback, Judged),
    "/admin/reload": (reload, Reload),
}


def app_of(service: Service, replay_seconds: float = 0.0) -> FastAPI:
    """The application; every `replay_seconds` its models are asked for their golden outputs (0: never)."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        async with replaying(service, replay_seconds):
            yield
        service.close()

    app = FastAPI(
        title="danlu", version=danlu.__version__, openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan
    )
    for path, (handler, body) in POSTS.items():
        _post(app, service, path, handler, body)
    _lines(app, service)
    _read(app, service)
    add_page(app)

    @app.exception_handler(HTTPException)
    async def _http(_request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        code = {404: "no_such_route", 405: "wrong_method"}.get(status, "refused")
        return Problem(
            status, code, f"{getattr(error, 'detail', 'refused')}; the routes are told at /openapi.json"
        ).response()

    return app


def _post(app: FastAPI, service: Service, path: str, handler: Handler, body: type[Body]) -> None:
    async def answer(request: Request) -> Response:
        return await service.handle(request, path, lambda call: handler(service, call))

    schema = body.model_json_schema(ref_template="#/components/schemas/{model}")
    content: dict[str, Any] = {"schema": schema}
    if path == "/v1/predict":
        content["examples"] = {
            f"{name}, {told['task']}": {"value": {"model": name, "records": told["samples"]}}
            for name, told in described(service).items()
        }
    told = {"requestBody": {"required": True, "content": {"application/json": content}}}
    app.add_api_route(path, answer, methods=["POST"], openapi_extra=told, summary=handler.__doc__)


def _lines(app: FastAPI, service: Service) -> None:
    @app.post("/v1/predict/lines", openapi_extra={"requestBody": {"content": {"application/x-ndjson": {}}}})
    async def lines(request: Request) -> Response:
        """A record a line in, a prediction a line out."""
        return await service.handle(
            request, "/v1/predict/lines", lambda call: predict_lines(service, call), json_body=False
        )


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
        return _known(service, request) or counted(service)

    @app.get("/openapi.json", include_in_schema=False)
    async def interface(request: Request) -> Response:
        return _known(service, request) or JSONResponse(app.openapi())

    @app.get("/v1/models")
    async def listed(request: Request) -> Response:
        """The models that are open."""
        return await service.handle(request, "/v1/models", lambda call: models(service, call), json_body=False)


def _known(service: Service, request: Request) -> Response | None:
    """A refusal for who has no key, where the server wants one."""
    try:
        service.caller(request)
    except Problem as problem:
        return problem.response()
    return None
