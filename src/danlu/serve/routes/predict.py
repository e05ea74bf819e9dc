"""What every task answers: records in, predictions out, as offline."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Annotated, Any

from fastapi.responses import Response
from pydantic import Field

from danlu.data.record import Record
from danlu.engine.reading import Reading
from danlu.refusal import Refusal
from danlu.sentences import in_language
from danlu.serve.body import Body, FirstMistake, checked, plain, raw
from danlu.serve.counted import refuse_more
from danlu.serve.json_answer import JsonAnswer
from danlu.serve.problem import TOO_MANY, Problem, is_chinese, of_refusal
from danlu.serve.routes.writing import tokens_of
from danlu.serve.service import Call, Service
from danlu.serve.shelf import Model
from danlu.serve.streamed import LINES, Streamed, line
from danlu.task.task import Prediction

BLOCK = 32
"""Lines of a stream that are answered together: what is lost of the speed of full batches is less than a tenth."""

ALONE = "record 1: "
"""What begins a sentence about a record that is asked by itself."""

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
    return JsonAnswer(
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
        raise Problem(413, TOO_MANY, told)

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
    rows = 1
    if writes:
        policy = predictor.policy
        rows = policy.rows
        texts = len(reading.encoded) * rows
        written = texts * min(policy.max_new_tokens, predictor.network.limit)
    service.admitted(call, reading.tokens, texts, written, rows)
    try:
        found = await asking.found(predictor.ask(reading))
        if texts:
            call.written += sum(map(tokens_of, found))
        return await asking.done(size, lambda: predictor.told(reading, found))
    except Refusal as refusal:
        raise of_refusal(refusal, "records") from None


async def predict_lines(service: Service, call: Call) -> Response:
    """`POST /v1/predict/lines`: a record a line in, a prediction a line out, in order, while they come."""
    request = call.asking.request
    model = service.leased(call, request.query_params.get("model"))
    data = await raw(request, service.limits.body, call.asking.ends)
    lines = [(number, each) for number, each in enumerate(data.split(b"\n"), start=1) if each.strip()]

    async def pieces() -> AsyncGenerator[bytes, None]:
        for start in range(0, len(lines), BLOCK):
            for value in await _block(service, call, model, lines[start : start + BLOCK]):
                yield line(value)

    return Streamed(pieces(), LINES, call.asking, line)


async def _block(service: Service, call: Call, model: Model, lines: Sequence[tuple[int, bytes]]) -> list[Any]:
    """A prediction a line; where a line is refused, what is wrong with it alone.

    Raises:
        Problem: there is no time, or no room in it, for this block.
    """
    found: dict[int, Any] = {}
    good: dict[int, Record] = {}
    for number, each in lines:
        try:
            good[number] = plain(each, f"line {number:,}")
        except Problem as problem:
            found[number] = problem
    found |= zip(good, await _answered(service, call, model, list(good.values())), strict=True)
    told = [_told(found[number], number) for number, _ in lines]
    if is_chinese(call.asking.accepted) and any(isinstance(each, Problem) for each in told):
        told = await call.asking.apart(lambda: _in_chinese(told))
    return [each.plain() if isinstance(each, Problem) else each for each in told]


def _told(value: Prediction | Problem, number: int) -> Prediction | Problem:
    """A prediction, or what is wrong, of the line `number` and not of the one record that was asked with it."""
    if not isinstance(value, Problem):
        return value
    where = f"line {number:,}"
    said = value.message.removeprefix(ALONE)
    named = said.startswith((f"{where}:", f"{where},"))
    return replace(value, message=said if named else f"{where}: {said}")


def _in_chinese(told: Sequence[Prediction | Problem]) -> list[Prediction | Problem]:
    """The same with what is wrong in both languages; what is wrong with several lines is looked up once."""
    alone, line_0 = (in_language(each, "zh") or each for each in (ALONE, "line 0"))
    known: dict[str, str] = {}

    def worded(problem: Problem) -> Problem:
        place, _, said = problem.message.partition(": ")
        if said not in known:
            known[said] = (in_language(ALONE + said, "zh") or said).removeprefix(alone)
        where = line_0.replace("0", place.removeprefix("line ").partition(", ")[0])  # its column is told in English
        return replace(problem, translated=None if known[said] == said else f"{where}：{known[said]}")

    return [worded(each) if isinstance(each, Problem) else each for each in told]


async def _answered(
    service: Service, call: Call, model: Model, records: Sequence[Record]
) -> Sequence[Prediction | Problem]:
    """A prediction a record, or why there is none; what is too much for once is asked in halves.

    Raises:
        Problem: there is no time, or no room in it.
    """
    try:
        return await _alone(service, call, model, records)
    except Problem as problem:
        if problem.status != 400 and problem.code != TOO_MANY:
            raise
        if len(records) == 1:
            return [problem]
        size, most = sum(len(str(record)) for record in records), service.limits.tokens
        wrong = await call.asking.done(size, lambda: [_problem(model, record, most) for record in records])
    good = [record for record, told in zip(records, wrong, strict=True) if told is None]
    half = len(good) if len(good) < len(records) else len(good) // 2
    found = [each for part in (good[:half], good[half:]) for each in await _answered(service, call, model, part)]
    left = iter(found)
    return [next(left) if told is None else told for told in wrong]


def _problem(model: Model, record: Record, most: int) -> Problem | None:
    try:
        refuse_more(model.predictor.tokenizer, record, most)
        model.predictor.read([record])
    except Refusal as refusal:
        return of_refusal(refusal, "records")
    except Problem as problem:
        return problem
    return None


async def _alone(service: Service, call: Call, model: Model, records: Sequence[Record]) -> list[Prediction]:
    """Answers of a block, whose cost is let go of with it; where there is no room, there will be."""
    if not records:
        return []
    loop = asyncio.get_running_loop()
    stack, call.stack = call.stack, type(call.stack)()
    before, written = call.read, call.written
    call.read = 0  # so that a block that is refused adds nothing
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
