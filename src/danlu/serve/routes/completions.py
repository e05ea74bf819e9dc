"""`POST /v1/completions`: what comes after a text."""

from codecs import getincrementaldecoder
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from fastapi.responses import JSONResponse, Response
from pydantic import Field, field_validator

from danlu.data.record import Record
from danlu.model.policy import Policy
from danlu.model.written import Written
from danlu.serve.body import checked
from danlu.serve.problem import Problem
from danlu.serve.routes.tokens import bytes_of, spelled
from danlu.serve.routes.writing import (
    HARMLESS,
    REASONS,
    Writing,
    cost,
    policy_of,
    prompted,
    refuse_endless,
    refuse_long,
    streamed,
    usage,
    written,
)
from danlu.serve.service import Call, Service
from danlu.serve.shelf import Model
from danlu.serve.streamed import DONE, EVENTS, Streamed, event
from danlu.text.batching.encoded import Encoded

IGNORED: dict[str, tuple[Any, ...]] = {**HARMLESS, "best_of": (None, 1), "echo": (None, False)}


class Completions(Writing):
    """A text, and how it goes on."""

    prompt: str | list[Any]
    suffix: str | None = Field(default=None, description="what comes after what is written")
    logprobs: int | None = Field(default=None, ge=0, le=20)

    @field_validator("logprobs", mode="before")
    @classmethod
    def _none(cls, value: Any) -> Any:
        return None if value is False else value

    @property
    def likeliest(self) -> int | None:
        """As `logprobs` says."""
        return self.logprobs


async def completions(service: Service, call: Call, line_end: str = "\n") -> Response:
    """Answer; what is written has the line ends that are wanted."""
    body = checked(Completions, call.value, IGNORED)
    text = body.prompt[0] if isinstance(body.prompt, list) and len(body.prompt) == 1 else body.prompt
    if not isinstance(text, str):
        told = "expected one text; several prompts are several requests, and token numbers are not taken"
        raise Problem(400, "unsupported_parameter", told, "prompt")
    model = service.leased(call, body.model)
    if "messages" in model.predictor.task.columns:
        told = f"the model '{model.name}' holds conversations; ask it by /v1/chat/completions"
        raise Problem(400, "wrong_task", told, "model")
    record: Record = {"text": text} | ({"suffix": body.suffix} if body.suffix else {})
    if body.suffix and model.predictor.task.kind != "causal_lm":
        raise Problem(400, "unsupported_parameter", "only a model of the task causal_lm writes in the middle", "suffix")
    size = len(text) + len(body.suffix or "")
    refuse_long(model, size, "prompt")
    policy = policy_of(body, model)
    await refuse_endless(service, call, model, policy)
    encoded = await call.asking.done(size, lambda: prompted(model, record, policy, "prompt", service.limits.tokens))
    if body.stream:
        service.admitted(call, *cost(encoded, policy, model))
        return Streamed(_pieces(service, call, body, model, encoded, policy, line_end), EVENTS, call.asking, event)
    texts = await written(service, call, model, encoded, policy, body.logprobs)
    choices = [
        _choice(number, _ended(each.text, line_end), REASONS[each.ended], _told(model, each, body))
        for number, each in enumerate(texts)
    ]
    return JSONResponse({**_head(call, model), "choices": choices, "usage": usage(call)})


async def _pieces(
    service: Service, call: Call, body: Completions, model: Model, encoded: Encoded, policy: Policy, line_end: str
) -> AsyncGenerator[bytes, None]:
    head = _head(call, model)
    async for piece in streamed(service, call, model, encoded, policy, body.logprobs):
        if isinstance(piece, tuple):
            yield event({**head, "choices": [_choice(piece[0], _ended(piece[1], line_end), None, None)]})
            continue
        for each in piece:
            yield event({**head, "choices": [_choice(each.number, "", REASONS[each.ended], _told(model, each, body))]})
    if body.usage_in_stream:
        yield event({**head, "choices": [], "usage": usage(call)})
    yield DONE


def _ended(text: str, line_end: str) -> str:
    """What was written, with the line ends of the prompt."""
    return text if line_end == "\n" else text.replace("\r", "").replace("\n", line_end)


def _choice(number: int, text: str, reason: str | None, logprobs: Any) -> dict[str, Any]:
    return {"index": number, "text": text, "finish_reason": reason, "logprobs": logprobs}


def _told(model: Model, text: Written, body: Completions) -> dict[str, Any] | None:
    """The log-probability of each token, as completions tell it."""
    if body.logprobs is None:
        return None
    pieces = [bytes_of(model, each.token) for each in text.chosen]
    best = [
        {spelled(bytes_of(model, token)): log for token, log in reversed(each.likeliest)} for each in text.chosen
    ]  # of tokens that are spelled alike the likeliest
    return {
        "tokens": [spelled(piece) for piece in pieces],
        "token_logprobs": [each.log_probability for each in text.chosen],
        "top_logprobs": best,
        "text_offset": _starts(pieces),
    }


def _starts(pieces: Sequence[bytes]) -> list[int]:
    """How many characters are whole before each piece."""
    decoder, starts, before = getincrementaldecoder("utf-8")("replace"), list[int](), 0
    for piece in pieces:
        starts.append(before)
        before += len(decoder.decode(piece))
    return starts


def _head(call: Call, model: Model) -> dict[str, Any]:
    return {
        "id": f"cmpl-{call.id}",
        "object": "text_completion",
        "created": call.now,
        "model": model.name,
        "system_fingerprint": model.fingerprint,
    }
