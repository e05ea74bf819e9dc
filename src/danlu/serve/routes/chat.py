"""`POST /v1/chat/completions`, as the clients of OpenAI ask it."""

from collections.abc import AsyncGenerator
from secrets import token_hex
from typing import Annotated, Any

from fastapi.responses import JSONResponse, Response
from pydantic import Field

from danlu.data.record import Record
from danlu.model.policy import Policy
from danlu.serve.body import FirstMistake, checked
from danlu.serve.problem import Problem
from danlu.serve.routes.arranged import arranged
from danlu.serve.routes.tokens import told_tokens
from danlu.serve.routes.tool_calls import ToolCalls, forced, form_of
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

IGNORED: dict[str, tuple[Any, ...]] = {
    **HARMLESS,
    "modalities": (None, ["text"]),
    "functions": (None, []),
    "function_call": (None, "auto", "none"),
    "audio": (None,),
    "prediction": (None,),
    "reasoning_effort": (None,),
    "verbosity": (None,),
    "web_search_options": (None,),
}


class Chat(Writing):
    """A conversation, and how its next message is written."""

    messages: Annotated[list[dict[str, Any]], FirstMistake()] = Field(min_length=1)
    max_completion_tokens: int | None = Field(default=None, ge=1)
    logprobs: bool | None = False
    top_logprobs: int | None = Field(default=None, ge=0, le=20)
    tools: Annotated[list[dict[str, Any]], FirstMistake()] | None = None
    tool_choice: Any = None
    parallel_tool_calls: bool | None = None

    @property
    def most(self) -> int | None:
        """Tokens that may be written."""
        return self.max_completion_tokens or self.max_tokens

    @property
    def likeliest(self) -> int | None:
        """How many of the likeliest tokens are told in each place; None: nothing is told."""
        return (self.top_logprobs or 0) if self.logprobs else None


async def chat(service: Service, call: Call) -> Response:
    """Answer."""
    body = checked(Chat, call.value, IGNORED)
    tools = body.tools if body.tool_choice != "none" else None
    if body.top_logprobs and not body.logprobs:
        raise Problem(400, "invalid_value", "tells of tokens only with 'logprobs': true", "top_logprobs")
    model = service.leased(call, body.model)
    if "messages" not in model.predictor.task.columns:
        told = f"the model '{model.name}' was trained for {model.predictor.task.kind}, which holds no conversation"
        raise Problem(400, "wrong_task", f"{told}; ask it by /v1/predict", "model")
    size = sum(len(str(each)) for each in (*body.messages, *(tools or ())))
    refuse_long(model, size, "messages")
    messages = arranged(body.messages)
    _refuse_many(model, len(messages))
    last = messages[-1]
    if last.get("role") == "assistant" and not last.get("tool_calls"):
        told = "end with an answer, and none is gone on with; leave it out, or add what is asked next"
        raise Problem(400, "invalid_value", told, "messages")
    form = form_of(model.predictor.task) if tools else None
    policy = policy_of(body, model, forced(tools, body.tool_choice, form))
    await refuse_endless(service, call, model, policy)
    record: Record = {"messages": messages}
    if tools:
        record["tools"] = tools
    encoded = await call.asking.done(size, lambda: prompted(model, record, policy, "messages", service.limits.tokens))
    calls = ToolCalls(form, tools or (), token_hex(8), several=body.parallel_tool_calls is not False)
    if body.stream:
        service.admitted(call, *cost(encoded, policy, model))
        pieces = _pieces(service, call, body, model, encoded, policy, calls)
        return Streamed(pieces, EVENTS, call.asking, event)
    texts = await written(service, call, model, encoded, policy, body.likeliest)
    choices = [
        {
            "index": number,
            "message": calls.message(text.text, number),
            "logprobs": {"content": told_tokens(model, text.chosen)} if body.logprobs else None,
            "finish_reason": calls.reason(text.text, number, REASONS[text.ended]),
        }
        for number, text in enumerate(texts)
    ]
    return JSONResponse({**_head(call, model, "chat.completion"), "choices": choices, "usage": usage(call)})


def _refuse_many(model: Model, count: int) -> None:
    """Raises `Problem` for more messages than a row has tokens: a template renders what is before each answer anew."""
    limit = model.predictor.network.limit
    if count > limit:
        told = f"there are {count:,} messages, and the model takes {limit:,} tokens; leave the oldest out"
        raise Problem(400, "context_length_exceeded", told, "messages")


async def _pieces(
    service: Service,
    call: Call,
    body: Chat,
    model: Model,
    encoded: Encoded,
    policy: Policy,
    calls: ToolCalls,
) -> AsyncGenerator[bytes, None]:
    head = _head(call, model, "chat.completion.chunk")

    def chunk(number: int, delta: dict[str, Any], reason: str | None = None, logprobs: Any = None) -> bytes:
        choice = {"index": number, "delta": delta, "logprobs": logprobs, "finish_reason": reason}
        return event({**head, "choices": [choice]} | ({"usage": None} if body.usage_in_stream else {}))

    for number in range(policy.texts):
        yield chunk(number, {"role": "assistant", "content": ""})
    async for piece in streamed(service, call, model, encoded, policy, body.likeliest):
        if isinstance(piece, tuple):
            if said := calls.piece(*piece):
                yield chunk(piece[0], {"content": said})
            continue
        for text in piece:
            logprobs = {"content": told_tokens(model, text.chosen)} if body.logprobs else None
            for delta in calls.rest(text.text, text.number):
                yield chunk(text.number, delta)
            yield chunk(text.number, {}, calls.reason(text.text, text.number, REASONS[text.ended]), logprobs)
    if body.usage_in_stream:
        yield event({**head, "choices": [], "usage": usage(call)})
    yield DONE


def _head(call: Call, model: Model, kind: str) -> dict[str, Any]:
    return {
        "id": f"chatcmpl-{call.id}",
        "object": kind,
        "created": call.now,
        "model": model.name,
        "system_fingerprint": model.fingerprint,
    }
