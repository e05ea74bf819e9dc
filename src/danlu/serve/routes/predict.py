"""What every task answers: records in, predictions out, as offline."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Annotated, Any

from fastapi.responses import JSONResponse, Response
from pydantic import Field

from danlu.data.record import Record
from danlu.engine.reading import Reading
from danlu.refusal import Refusal
from danlu.serve.body import Body, FirstMistake, checked, plain, raw
from danlu.serve.counted import refuse_more
from danlu.serve.problem import Problem, of_refusal
from danlu.serve.routes.writing import tokens_of
from danlu.serve.service import Call, Service
from danlu.serve.shelf import Model
from danlu.serve.streamed import LINES, Streamed, line
from danlu.task.task import Prediction

BLOCK = 32
"""Lines of a stream that are answered together: what is lost of the speed of full batches is less than a tenth."""

PER_TOKEN = 16
"""Characters of a token at most, on average of a text that anybody means to have read."""


class Predict(Body):
    """One record or several, or texts where these are all that the task reads."""

    record: dict[str, Any] | None = Field(default=None, description="columns as in the training data")
    records: Annotated[list[dict[str, Any]], FirstMistake()] | None = Field(default=None, description="several of them")
    text: str | None = Field(default=None, description="a record with a text alone")
    texts: Annotated[list[str], FirstMistake()] | None = Field(default=None, description="several of them")

    def all(self) -> list[Record]:
        """The records. Raises `Problem` unless they are given in one way."""
        ways = {"record", "records", "text", "texts"} & self.model_fields_set
        if len(ways) != 1:
            told = "give the records in one way: 'record', 'records', 'text' or 'texts'"
            raise Problem(400, "invalid_value", told, "records")
        if self.record is not None or self.text is not None:
            return [{"text": self.text} if self.record is None else self.record]
        if self.records is None and self.texts is None:
            raise Problem(400, "invalid_value", f"'{min(ways)}' is null; give records", min(ways))
        return list(self.records or [{"text": text} for text in self.texts or ()])


async def predict(service: Service, call: Call) -> Response:
    """`POST /v1/predict`."""
    body = checked(Predict, call.value)
    records = body.all()
    model = service.leased(call, body.model)
    predictions = await answers(service, call, model, records)
    return JSONResponse(
        {
            "object": "list",
            "model": model.name,
            "predictions": predictions,
            "usage": {"records": len(records), "tokens": call.read},
        }
    )


async def answers(service: Service, call: Call, model: Model, records: Sequence[Record]) -> list[Prediction]:
    """What a model answers of records, by the queue that all its callers share."""
    predictor, asking = model.predictor, call.asking
    size = sum(len(str(record)) for record in records)
    if size > PER_TOKEN * service.limits.tokens:
        told = f"the records have {size:,} characters, more than {service.limits.tokens:,} tokens can be; send less"
        raise Problem(413, "too_many_tokens", told)

    writes = predictor.task.answers_by == "generate"
    if not writes:
        service.gate.refuse_full(max(len(records), size // PER_TOKEN))

    def read() -> Reading:
        refuse_more(predictor.tokenizer, records, service.limits.tokens)
        return predictor.read(list(records))

    try:
        reading = await asking.done(size, read)
    except Refusal as refusal:
        raise of_refusal(refusal, "records") from None
    texts = written = 0
    if writes:
        policy = predictor.policy
        texts = len(reading.encoded) * policy.rows
        written = texts * min(policy.max_new_tokens, predictor.network.limit)
    service.admitted(call, reading.tokens, texts, written)
    found = await asking.found(predictor.ask(reading))
    if texts:
        call.written += sum(map(tokens_of, found))
    return await asking.done(size, lambda: predictor.told(reading, found))


async def predict_lines(service: Service, call: Call) -> Response:
    """`POST /v1/predict/lines`: a record a line in, a prediction a line out, in order, while they come."""
    request = call.asking.request
    model = service.leased(call, request.query_params.get("model"))
    data = await raw(request, service.limits.body, call.asking.ends)
    lines = [each for each in data.split(b"\n") if each.strip()]

    async def pieces() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(lines), BLOCK):
            for value in await _block(service, call, model, lines[start : start + BLOCK], start):
                yield line(value)

    return Streamed(pieces(), LINES, call.asking.ends, line)


async def _block(service: Service, call: Call, model: Model, lines: Sequence[bytes], start: int) -> list[Any]:
    """A prediction a line; where a line is refused, what is wrong with it alone.

    Raises:
        Problem: there is no time, or no room in it, for this block.
    """
    found: list[Any] = [None] * len(lines)
    good: list[tuple[int, Record]] = []
    for place, each in enumerate(lines):
        try:
            good.append((place, plain(each, f"line {start + place + 1:,}")))
        except Problem as problem:
            found[place] = problem.plain()
    try:
        predictions = await _alone(service, call, model, [record for _, record in good])
    except Problem as problem:
        if problem.status != 400:
            raise
        records = [record for _, record in good]
        wrong = await call.asking.done(sum(map(len, lines)), lambda: [_problem(model, record) for record in records])
        for (place, _), told in zip(good, wrong, strict=True):
            found[place] = told and told.plain()
        good = [each for each, told in zip(good, wrong, strict=True) if told is None]
        predictions = await _alone(service, call, model, [record for _, record in good])
    for (place, _), prediction in zip(good, predictions, strict=True):
        found[place] = prediction
    return found


def _problem(model: Model, record: Record) -> Problem | None:
    try:
        model.predictor.read([record])
    except Refusal as refusal:
        return of_refusal(refusal, "records")
    return None


async def _alone(service: Service, call: Call, model: Model, records: Sequence[Record]) -> list[Prediction]:
    """Answers of a block, whose cost is let go of with it; where there is no room, there will be."""
    if not records:
        return []
    loop = asyncio.get_running_loop()
    stack, call.stack = call.stack, type(call.stack)()
    before, written = call.read, call.written
    try:
        while True:
            try:
                found = await answers(service, call, model, records)
            except Problem as problem:
                if problem.code != "busy" or loop.time() + (problem.retry_after or 1) > call.asking.ends:
                    raise
                await asyncio.sleep(problem.retry_after or 1)
            else:
                if call.written == written:
                    service.gate.done(call.read)
                return found
    finally:
        call.stack.close()
        call.stack, call.read, call.learnt = stack, before + call.read, True
