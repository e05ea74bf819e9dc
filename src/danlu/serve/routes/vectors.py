"""`POST /v1/embeddings` and `POST /v1/rerank`: vectors of texts; documents, those that fit a query best first."""

import base64
from typing import Annotated, Any, Literal

import numpy as np
from fastapi.responses import JSONResponse, Response
from pydantic import Field

from danlu.serve.body import Body, FirstMistake, checked
from danlu.serve.json_answer import JsonAnswer
from danlu.serve.problem import Problem
from danlu.serve.routes.predict import answers
from danlu.serve.service import Call, Service


class Embeddings(Body):
    """Texts."""

    input: str | list[Any]
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: int | None = Field(default=None, ge=1)


class Rerank(Body):
    """A query and documents."""

    query: str
    documents: Annotated[list[str | dict[str, Any]], FirstMistake()] = Field(min_length=1)
    top_n: int | None = Field(default=None, ge=1)
    return_documents: bool | None = None


async def embeddings(service: Service, call: Call) -> Response:
    """Answer with a vector of each text."""
    body = checked(Embeddings, call.value, {"user": ()})
    texts = [body.input] if isinstance(body.input, str) else body.input
    if not texts or not all(isinstance(text, str) for text in texts):
        raise Problem(400, "unsupported_parameter", "expected a text or texts; token numbers are not taken", "input")
    model = service.leased(call, body.model)
    task = model.predictor.task
    if task.answer_form != "vector":
        told = f"the model '{model.name}' was trained for {task.kind}, which gives no vectors"
        raise Problem(400, "wrong_task", f"{told}; ask it by /v1/predict", "model")
    predictions = await answers(service, call, model, [{"text": text} for text in texts])
    vectors = np.array([each["vector"] for each in predictions], np.float32)
    if body.dimensions is not None and body.dimensions != vectors.shape[1]:
        widths = (*getattr(task, "widths", ()), vectors.shape[1])
        if body.dimensions not in widths:
            told = f"vectors of this model have {' or '.join(map(str, widths))} numbers"
            raise Problem(400, "invalid_value", told, "dimensions")
        vectors = vectors[:, : body.dimensions]
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    coded = body.encoding_format == "base64"
    data = [
        {
            "object": "embedding",
            "index": number,
            "embedding": base64.b64encode(vector.astype("<f4").tobytes()).decode() if coded else vector.tolist(),
        }
        for number, vector in enumerate(vectors)
    ]
    used = {"prompt_tokens": call.read, "total_tokens": call.read}
    return JsonAnswer({"object": "list", "data": data, "model": model.name, "usage": used})


async def rerank(service: Service, call: Call) -> Response:
    """Answer with the documents, the best first."""
    body = checked(Rerank, call.value)
    documents = [each.get("text") if isinstance(each, dict) else each for each in body.documents]
    if not all(isinstance(each, str) for each in documents):
        raise Problem(400, "invalid_value", "each document is a text, or an object with a 'text'", "documents")
    model = service.leased(call, body.model)
    task = model.predictor.task
    if task.kind != "rank":
        told = f"the model '{model.name}' was trained for {task.kind}, which ranks no documents"
        raise Problem(400, "wrong_task", f"{told}; ask it by /v1/predict", "model")
    scores = await _scores(service, call, model, body.query, [str(each) for each in documents])
    order = sorted(range(len(scores)), key=lambda place: (-scores[place], place))[: body.top_n]
    results = [
        {"index": place, "relevance_score": scores[place]}
        | ({"document": {"text": documents[place]}} if body.return_documents is not False else {})
        for place in order
    ]
    return JSONResponse(
        {"id": f"rerank-{call.id}", "model": model.name, "results": results, "usage": {"total_tokens": call.read}}
    )


async def _scores(service: Service, call: Call, model: Any, query: str, documents: list[str]) -> list[float]:
    """How well each document fits."""
    if model.predictor.task.answer_form == "number":
        pairs = [{"text": query, "text_pair": document} for document in documents]
        return [float(each["number"]) for each in await answers(service, call, model, pairs)]
    distinct = list(dict.fromkeys(documents))  # a record each, since all rows of one are a batch, however large
    ranked = await answers(service, call, model, [{"text": query, "candidates": [each]} for each in distinct])
    found = {document: float(each["scores"][0]) for document, each in zip(distinct, ranked, strict=True)}
    return [found[document] for document in documents]
