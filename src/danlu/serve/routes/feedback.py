"""`POST /v1/feedback`: whether an answer was right, and what would have been."""

from typing import Any

from fastapi.responses import JSONResponse, Response
from pydantic import Field

from danlu.serve.body import Body, checked
from danlu.serve.problem import Problem
from danlu.serve.service import Call, Service


class Judged(Body):
    """A judged answer."""

    record: dict[str, Any] = Field(description="what was asked")
    prediction: dict[str, Any] | None = Field(default=None, description="what was answered")
    correct: bool | None = Field(default=None, description="whether it was right")
    truth: dict[str, Any] | None = Field(
        default=None, description="the right answer, in columns of training data, such as {'label': 'good'}"
    )
    comment: str | None = Field(default=None, max_length=10_000)
    request: str | None = Field(default=None, max_length=64, description="X-Request-ID of the answer")
    fingerprint: str | None = Field(
        default=None,
        min_length=1,
        max_length=100,
        description="X-Fingerprint of the answer, which may be of a model that another has replaced; that of now",
    )


async def feedback(service: Service, call: Call) -> Response:
    """Keep it."""
    if service.feedback is None:
        told = "this server keeps no feedback; start it with --feedback sqlite:///feedback.db"
        raise Problem(404, "no_feedback", told)
    body = checked(Judged, call.value)
    if body.correct is None and body.truth is None and not body.comment:
        raise Problem(
            400, "invalid_value", "says nothing of the answer; give 'correct', 'truth' or 'comment'", "correct"
        )
    for name in ("comment", "request", "fingerprint"):
        if "\0" in (getattr(body, name) or ""):  # PostgreSQL keeps none
            raise Problem(400, "invalid_value", "holds a NUL; leave it out", name)
    model = service.leased(call, body.model)
    task = model.predictor.task
    known = {*task.columns, *task.other_columns}
    if body.truth is not None and not body.truth.keys() <= known:
        wrong = min(body.truth.keys() - known)
        told = f"'{wrong:.80}' is no column that the task {task.kind} learns from: {', '.join(sorted(known))}"
        raise Problem(400, "invalid_value", told, "truth")
    told_of: dict[str, Any] = {
        "request": body.request,
        "model": model.name,
        "fingerprint": body.fingerprint or model.fingerprint,
        "caller": call.key.name if call.key else None,
        **{name: getattr(body, name) for name in ("correct", "record", "prediction", "truth", "comment")},
    }
    store = service.feedback
    number = await call.asking.apart(lambda: store.add(**told_of), service.keeping)
    return JSONResponse({"id": number, "object": "feedback"}, 201)
