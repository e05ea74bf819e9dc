"""What is offered of bundles: their own tasks, and the interface of OpenAI."""

from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import Response

from danlu.serve.routes.chat import Chat, chat
from danlu.serve.routes.completions import Completions, completions
from danlu.serve.routes.feedback import Judged, feedback
from danlu.serve.routes.operations import Reload, described, model, models, reload
from danlu.serve.routes.predict import Predict, predict, predict_lines
from danlu.serve.routes.vectors import Embeddings, Rerank, embeddings, rerank
from danlu.serve.service import Service
from danlu.serve.site import Site


def _samples(service: Service) -> Mapping[str, Mapping[str, Any]]:
    told = {
        f"{name}, {each['task']}": {"model": name, "records": each["samples"]}
        for name, each in described(service).items()
    }
    return {"/v1/predict": told}


def _lines(app: FastAPI, service: Service) -> None:
    @app.post("/v1/predict/lines", openapi_extra={"requestBody": {"content": {"application/x-ndjson": {}}}})
    async def lines(request: Request) -> Response:
        """A record a line in, a prediction a line out."""
        return await service.handle(
            request, "/v1/predict/lines", lambda call: predict_lines(service, call), json_body=False
        )


MODELS = Site(
    posts={
        "/v1/predict": (predict, Predict),
        "/v1/chat/completions": (chat, Chat),
        "/v1/completions": (completions, Completions),
        "/v1/embeddings": (embeddings, Embeddings),
        "/v1/rerank": (rerank, Rerank),
        "/v1/feedback": (feedback, Judged),
        "/admin/reload": (reload, Reload),
    },
    gets={"/v1/models": models, "/v1/models/{name:path}": model},
    samples=_samples,
    adds=_lines,
)
