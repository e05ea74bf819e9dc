"""What chat and completions have in common: how a text is to be written, and what is told of it."""

import json
import re
import secrets
from collections.abc import AsyncGenerator, Callable, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Annotated, Any

from pydantic import Field

from danlu.data.record import Record
from danlu.model.lines import LinePolicy
from danlu.model.policy import Policy, changed
from danlu.model.written import Written
from danlu.refusal import Refusal
from danlu.serve.body import Body, FirstMistake
from danlu.serve.counted import refuse_more
from danlu.serve.problem import Problem, of_refusal
from danlu.serve.service import Call, Service
from danlu.serve.shelf import Model
from danlu.text.batching.encoded import Encoded

REASONS = {"end": "stop", "stop": "stop", "length": "length"}
HARMLESS: dict[str, tuple[Any, ...]] = {
    "user": (),
    "metadata": (),
    "store": (None, False),
    "service_tier": (None, "auto", "default"),
    "safety_identifier": (),
    "prompt_cache_key": (),
    "prompt_cache_retention": (),
}
"""Keys of both routes that change no answer, with the values that are taken; an empty tuple: any."""

FORMS = ("choices", "regex", "json_schema", "grammar")
"""What says of which form a text is."""
LONGEST_STOP = 1000
"""Characters of a text that ends another."""
PER_TOKEN = 64
"""Characters of a token at most, on average of a text that anybody means to have read."""


COLDEST = 1e-3
"""Below it a temperature is none."""


class Writing(Body):
    """How a text is written; what is not given is as the bundle says, so as it was evaluated."""

    stream: bool | None = False
    stream_options: dict[str, Any] | None = None
    n: int | None = Field(default=None, ge=1, le=64)
    temperature: float | None = Field(default=None, ge=0, le=2)
    top_p: float | None = Field(default=None, ge=0, le=1)
    top_k: int | None = Field(default=None, ge=1, description="not of OpenAI")
    min_p: float | None = Field(default=None, ge=0, le=1, description="not of OpenAI")
    repetition_penalty: float | None = Field(default=None, ge=0.01, le=100, description="not of OpenAI")
    frequency_penalty: float | None = Field(default=None, ge=-2, le=2)
    presence_penalty: float | None = Field(default=None, ge=-2, le=2)
    logit_bias: dict[str, float] | None = None
    max_tokens: int | None = Field(default=None, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    response_format: dict[str, Any] | None = None
    choices: Annotated[list[str], FirstMistake()] | None = Field(
        default=None, min_length=1, description="write one of these; not of OpenAI"
    )
    regex: str | None = Field(default=None, min_length=1, description="write what this matches; not of OpenAI")

    @property
    def most(self) -> int | None:
        """Tokens that may be written."""
        return self.max_tokens

    @property
    def likeliest(self) -> int | None:
        """How many of the likeliest tokens are told in each place; None: nothing is told."""
        return None

    @property
    def usage_in_stream(self) -> bool:
        """Whether a stream ends with what it has cost."""
        return bool((self.stream_options or {}).get("include_usage"))


def policy_of(body: Writing, model: Model, grammar: str | None = None) -> Policy:
    """How to write, as the bundle says where the request does not; `grammar` is what must be written.

    Raises:
        Problem: settings contradict each other, or have no effect.
    """
    own, body = model.predictor.policy, _as_meant(body)
    changes = _changes(body, own)
    if grammar:  # a call that is forced is of no other format
        changes = {name: value for name, value in changes.items() if name != "json_schema"} | {"grammar": grammar}
        changes["min_new_tokens"] = 0
    if changes.keys() & set(FORMS):  # the bundle's own form makes room for it, and so does what would forbid it
        changes = dict.fromkeys((*FORMS, "no_repeat_ngram")) | changes
    kind = _kind_of(body, own)
    if kind == "sample" and body.temperature != 0:
        names = ("temperature", "top_p", "top_k", "min_p", "seed")
        drawn = {name: getattr(body, name) for name in names if getattr(body, name) is not None}
        drawn |= {"samples": body.n} if body.n else {}
        for name, all_of_them in (("top_p", 1.0), ("min_p", 0.0)):
            if drawn.get(name) == all_of_them:
                drawn[name] = None
        if "seed" in drawn:
            drawn["seed"] = abs(int(drawn["seed"])) % 2**63
        elif _draws(body) or (body.n or 1) > 1:
            drawn["seed"] = secrets.randbelow(2**63)  # who asks for chance wants another text each time
        changes |= drawn
    elif kind == own.kind and _has_beams(own):
        changes |= _returned(body, own)
    elif (body.n or 1) > 1:
        raise Problem(400, "invalid_value", "at temperature 0 all texts are the same; ask for one", "n")
    if kind != own.kind:
        kept = {name: value for name, value in own.to_plain().items() if name in Policy.model_fields}
        changes = {**kept, "kind": kind, **changes}
    try:
        policy = changed(own, None, changes)
    except Refusal as refusal:
        raise of_refusal(refusal) from None
    if body.likeliest is not None and not isinstance(policy, LinePolicy):
        told = f"the policy '{policy.kind}' of this model does not tell how likely each token was; set 'temperature'"
        raise Problem(400, "unsupported_parameter", told, "logprobs")
    return policy


def _as_meant(body: Writing) -> Writing:
    """Without chance where next to none is left, which is how others ask for the likeliest token."""
    cold = body.top_p == 0 or 0 < (body.temperature or 0) < COLDEST
    return body.model_copy(update={"temperature": 0.0, "top_p": None}) if cold else body


def _has_beams(policy: Policy) -> bool:
    return "returned" in type(policy).model_fields


def _returned(body: Writing, own: Policy) -> dict[str, int]:
    """How many of its beams a policy tells. Raises `Problem` for more than there are."""
    if (body.n or 1) > own.rows:
        told = f"the model keeps {own.rows} beams and tells no more texts; ask for fewer, or set 'temperature'"
        raise Problem(400, "invalid_value", told, "n")
    return {"returned": body.n} if body.n else {}


def _kind_of(body: Writing, own: Policy) -> str:
    """The kind of policy that the request asks for, or that of the bundle."""
    if body.temperature == 0:
        return "greedy"
    return "sample" if _draws(body) or ((body.n or 1) > 1 and not _has_beams(own)) else own.kind


def _draws(body: Writing) -> bool:
    """Whether the request asks for texts that are drawn; a seed, or a share of all tokens, do not say so."""
    return body.temperature not in (None, 0) or (
        body.top_p not in (None, 1) or body.top_k is not None or body.min_p not in (None, 0)
    )


async def refuse_endless(service: Service, call: Call, model: Model, policy: Policy) -> None:
    """Raises `Problem` for a form of the request that cannot be read in time, before the writer is held up by it."""
    if not policy.form or policy.form == model.predictor.policy.form:
        return
    try:
        tokenizer = model.predictor.tokenizer
        await call.asking.apart(lambda: service.forms.refuse_endless(tokenizer, policy.form), service.form_thread)
    except Refusal as refusal:
        raise of_refusal(refusal) from None


def _changes(body: Writing, own: Policy) -> dict[str, Any]:
    """Settings of any policy that the request gives, with what else of the bundle's `own` they leave no room for."""
    names = ("repetition_penalty", "frequency_penalty", "presence_penalty", "regex")
    changes: dict[str, Any] = {name: getattr(body, name) for name in names if getattr(body, name) is not None}
    if body.most is not None:
        changes |= {"max_new_tokens": body.most, "min_new_tokens": min(own.min_new_tokens, body.most - 1)}
    if body.stop is not None:
        if max(map(len, body.stop), default=0) > LONGEST_STOP or len(body.stop) > LONGEST_STOP:
            raise Problem(400, "invalid_value", f"has more than {LONGEST_STOP:,} characters; shorten it", "stop")
        changes["stop"] = [body.stop] if isinstance(body.stop, str) else body.stop
    if body.logit_bias is not None:
        if wrong := [token for token in body.logit_bias if not re.fullmatch("[0-9]{1,9}", token)]:
            raise Problem(400, "invalid_value", f"'{wrong[0]:.40}' is no number of a token", "logit_bias")
        changes["logit_bias"] = {f"#{token}": bias for token, bias in body.logit_bias.items()}
    if body.choices is not None:
        changes["choices"] = body.choices
    form = body.response_format or {"type": "text"}
    match form.get("type"):
        case "text":
            pass
        case "json_object":
            changes["json_schema"] = {"type": "object"}
        case "json_schema":
            told = form.get("json_schema")
            schema = told.get("schema") if isinstance(told, dict) else None
            if not isinstance(schema, dict):
                raise Problem(400, "invalid_value", "expected {'schema': {...}} in it", "response_format.json_schema")
            changes["json_schema"] = schema
        case other:
            raise Problem(400, "invalid_value", f"there is no format '{other!s:.40}'", "response_format.type")
    if changes.keys() & set(FORMS):
        changes["min_new_tokens"] = 0
    return changes


def refuse_long(model: Model, size: int, what: str) -> None:
    """Raises `Problem` for so many characters that they can be no text that the model takes, before it is cut up."""
    limit = model.predictor.network.limit
    if size > PER_TOKEN * limit:
        told = f"'{what}' has {size:,} characters, and the model takes {limit:,} tokens; shorten it"
        raise Problem(400, "context_length_exceeded", told, what)


def prompted(model: Model, record: Record, policy: Policy, limits_name: str, most: int) -> Encoded:
    """What the model reads before it writes.

    Raises:
        Problem: it cannot be read, or has more than `most` tokens, or leaves no room to write; or the model writes no
            text.
    """
    tools = {"tools": json.dumps(record["tools"], ensure_ascii=False)} if "tools" in record else {}  # as they are read
    refuse_more(model.predictor.tokenizer, record | tools, most)
    try:
        encoded = model.predictor.prompts([record], policy, whole=True)
    except Refusal as refusal:
        code = "context_length_exceeded" if "tokens" in str(refusal) and "takes" in str(refusal) else "refused"
        raise Problem(400, code, str(refusal), limits_name) from None
    limit = model.predictor.network.limit
    full = model.predictor.task.kind == "causal_lm" and any(
        sum(len(row) for row in each.rows) >= limit for each in encoded
    )
    if len(encoded) != 1 or encoded[0].cut or full:
        told = (
            f"the {limits_name} with what may be written has more tokens than the {limit:,} "
            "that the model takes; shorten it, or lower 'max_tokens'"
        )
        raise Problem(400, "context_length_exceeded", told, limits_name)
    return encoded[0]


def cost(encoded: Encoded, policy: Policy, model: Model) -> tuple[int, int, int, int]:
    """Tokens that are read, texts that are written, their tokens at most, and how often what is read is held."""
    read, rows = sum(len(row) for row in encoded.rows), policy.rows
    return read, rows, rows * min(policy.max_new_tokens, max(1, model.predictor.network.limit - read)), rows


async def written(
    service: Service, call: Call, model: Model, encoded: Encoded, policy: Policy, likeliest: int | None
) -> list[Written]:
    """All texts after one prompt, in the order in which their pieces would be numbered."""
    service.admitted(call, *cost(encoded, policy, model))
    try:
        (texts,) = await call.asking.found(model.predictor.writing([encoded], policy, likeliest=likeliest))
    except Refusal as refusal:
        raise of_refusal(refusal) from None
    call.written = tokens_of(texts)
    return in_order(texts)


async def streamed(
    service: Service, call: Call, model: Model, encoded: Encoded, policy: Policy, likeliest: int | None
) -> AsyncGenerator[tuple[int, str] | list[Written], None]:
    """The texts after one prompt piece by piece, each with its number, and at the end all of them.

    What is not known before its end, as with beams, comes as one piece.
    """
    told: set[int] = set()

    def begin(put: Callable[[Any], None]) -> "Future[Any]":
        def take(number: int, piece: str) -> None:
            call.written += 1  # a piece is a token at least, and all that is known of a text that is broken off
            put((number, piece))

        return model.predictor.writing([encoded], policy, take, likeliest=likeliest)

    async for piece in call.asking.pieces(begin):
        if not told:
            service.first_piece(call)
        if isinstance(piece, tuple) and len(piece) == 1:
            texts = in_order(piece[0][0])
            call.written = tokens_of(texts)
            for text in texts:
                if text.text and text.number not in told:
                    yield text.number, text.text
            yield texts
        else:
            told.add(piece[0])
            yield piece


def in_order(texts: Sequence[Written]) -> list[Written]:
    """Texts by their numbers; those of beams, which have none of their own, as they come, the best first."""
    if len({text.number for text in texts}) < len(texts):
        return [replace(text, number=number) for number, text in enumerate(texts)]
    return sorted(texts, key=lambda text: text.number)


def tokens_of(texts: Sequence[Written]) -> int:
    """Tokens that were written, end tokens included."""
    return sum(len(text.ids) + (text.ended == "end") for text in texts)


def usage(call: Call) -> dict[str, int]:
    """What a request has cost, as OpenAI counts it."""
    return {
        "prompt_tokens": call.read,
        "completion_tokens": call.written,
        "total_tokens": call.read + call.written,
    }
