"""What an assistant answers over HTTP: to who keeps it at `/v1`, to customers of a website at `/widget`."""

from typing import Any, Literal

from fastapi.responses import JSONResponse, Response
from pydantic import Field

from danlu.apps.assistant import judging, outbox, versions
from danlu.apps.assistant.assistant import Answer, Assistant
from danlu.apps.assistant.conversations import WRITTEN, turn_of, turns_of
from danlu.apps.assistant.handing_over import count_waiting, done, waiting
from danlu.apps.assistant.tickets import LONGEST_ANSWER, LONGEST_QUESTION
from danlu.apps.assistant.writing import unmarked
from danlu.data.characters.languages import Language
from danlu.refusal import Refusal
from danlu.serve.body import Body, checked
from danlu.serve.service import Call, Service
from danlu.serve.site import Handler

LIST = 200
"""Entries of a list that is told at once."""


class Asked(Body):
    """A question."""

    question: str = Field(max_length=4 * LONGEST_QUESTION)
    session: str | None = Field(
        default=None, max_length=40, description="of the answer before; none: a new conversation"
    )
    language: Language | None = Field(default=None, description="of what is said beside past answers; as the question")


class Judged(Body):
    """What somebody says of an answer."""

    turn: str = Field(max_length=40)
    verdict: Literal["right", "wrong", "corrected"]
    answer: str | None = Field(
        default=None, max_length=2 * LONGEST_ANSWER, description="the right one, for 'corrected'"
    )


class JudgedByCustomer(Body):
    """What a customer says of an answer."""

    turn: str = Field(max_length=40)
    verdict: Literal["right", "wrong"]


class Wanted(Body):
    """A person is wanted."""

    session: str = Field(max_length=40)
    language: Language | None = None


class Done(Body):
    """Something that was handed over is dealt with."""

    handover: str = Field(max_length=40)
    turn: str = Field(max_length=40, description="the last of it that was seen; with a later one it still waits")


class Nothing(Body):
    """No settings."""


class Chosen(Body):
    """A version."""

    number: int | None = Field(default=None, ge=1, description="none: the one before")


Posts = dict[str, tuple[Handler, type[Body]]]


def handlers(assistant: Assistant, webhook: bool) -> tuple[Posts, dict[str, Handler]]:
    """All routes: those that take a body, and those that do not; `webhook`: whether there is one."""
    posts, gets = _desk(assistant, webhook)
    return {**_talk(assistant), **posts, **_widget(assistant)}, gets


def _talk(assistant: Assistant) -> Posts:
    async def ask(_service: Service, call: Call) -> Response:
        """Answer a question by a past answer, or hand it over."""
        body = checked(Asked, call.value)
        return JSONResponse((await _answer(assistant, call, body)).plain())

    async def judge(_service: Service, call: Call) -> Response:
        """Keep whether an answer was right, or what would have been; holds for the next question."""
        body = checked(Judged, call.value)
        caller = call.key.name if call.key else "desk"
        work = lambda: assistant.judge(body.turn, body.verdict, body.answer, caller)  # noqa: E731
        return JSONResponse({"id": await call.asking.apart(work)}, 201)

    async def person(_service: Service, call: Call) -> Response:
        """Hand a conversation over to a person."""
        body = checked(Wanted, call.value)
        answer = await call.asking.apart(lambda: assistant.person(body.session, body.language))
        return JSONResponse(answer.plain())

    return {"/v1/ask": (ask, Asked), "/v1/judge": (judge, Judged), "/v1/person": (person, Wanted)}


def _widget(assistant: Assistant) -> Posts:
    async def ask_widget(_service: Service, call: Call) -> Response:
        """Answer a customer of a website."""
        body = checked(Asked, call.value)
        return JSONResponse(_for_customers(await _answer(assistant, call, body)))

    async def judge_widget(_service: Service, call: Call) -> Response:
        """Keep what a customer says of an answer; it is shown at the desk, and changes nothing by itself."""
        body = checked(JudgedByCustomer, call.value)
        work = lambda: assistant.judge(body.turn, body.verdict, None, judging.CUSTOMER)  # noqa: E731
        await call.asking.apart(work)
        return JSONResponse({}, 201)

    async def person_widget(_service: Service, call: Call) -> Response:
        """Hand a conversation over because a customer wants it."""
        body = checked(Wanted, call.value)
        answer = await call.asking.apart(lambda: assistant.person(body.session, body.language))
        return JSONResponse(_for_customers(answer))

    return {
        "/widget/ask": (ask_widget, Asked),
        "/widget/judge": (judge_widget, JudgedByCustomer),
        "/widget/person": (person_widget, Wanted),
    }


def _desk(assistant: Assistant, webhook: bool) -> tuple[Posts, dict[str, Handler]]:
    async def close(_service: Service, call: Call) -> Response:
        """Note that what was handed over is dealt with."""
        body = checked(Done, call.value)
        await call.asking.apart(lambda: _closed(assistant, body.handover, body.turn))
        return JSONResponse({})

    async def again(_service: Service, call: Call) -> Response:
        """Send to the webhook anew what it has not taken."""
        checked(Nothing, call.value)
        return JSONResponse({"again": await call.asking.apart(lambda: outbox.again(assistant.store))})

    async def back(_service: Service, call: Call) -> Response:
        """Let an earlier version answer."""
        body = checked(Chosen, call.value)
        return JSONResponse({"serves": await call.asking.apart(lambda: _back(assistant, body.number))})

    async def state(_service: Service, call: Call) -> Response:
        """What is known, what waits for a person, what customers say, which versions there are."""
        return JSONResponse(await call.asking.apart(lambda: told(assistant, webhook)))

    async def conversation(_service: Service, call: Call) -> Response:
        """The turns of a conversation."""
        name = str(call.value.get("session", ""))
        return JSONResponse({"turns": await call.asking.apart(lambda: _turns(assistant, name))})

    posts: Posts = {
        "/v1/done": (close, Done),
        "/v1/send-again": (again, Nothing),
        "/v1/back": (back, Chosen),
    }
    return posts, {"/v1/state": state, "/v1/conversations/{session}": conversation}


PUBLIC = frozenset({"/widget/ask", "/widget/judge", "/widget/person"})


def told(assistant: Assistant, webhook: bool) -> dict[str, Any]:
    """What the page shows beside conversations."""
    known = assistant.finder.known
    intents: dict[str, int] = {}
    for entry in known.entries.values():
        intents[entry.intent] = intents.get(entry.intent, 0) + entry.times
    with assistant.store.reading() as connection:
        there = versions.all_of(connection)
        said = judging.judgements(connection, customers=True)
        judged = {each.turn for each in judging.judgements(connection)}
        complaints = [each.turn for each in said if each.verdict == judging.WRONG and each.turn not in judged]
        turns = []
        for name in complaints[-LIST:]:
            try:
                turns.append(vars(turn_of(connection, name)))
            except Refusal:  # its conversation was forgotten
                continue
        return {
            "answers": len(known.entries),
            "questions": len(known.phrases),
            "intents": sorted(intents.items(), key=lambda pair: (-pair[1], pair[0]))[:LIST],
            "embedder": assistant.embedder is not None,
            "judged": len(judged),
            "waiting": waiting(connection, LIST),
            "waits": count_waiting(connection),
            "complaints": turns,
            "webhook": webhook,
            "outbox": outbox.counts(connection),
            "serves": assistant.version.number,
            "versions": [
                {"number": each.number, "time": each.time, "tuned": each.embedder is not None, "told": each.told}
                for each in there[-LIST:]
            ],
        }


def _for_customers(answer: Answer) -> dict[str, Any]:
    """What a customer sees: not what else was found, by what numbers it is cited, nor what others have asked."""
    told = {name: getattr(answer, name) for name in ("turn", "session", "begun", "kind", "text", "language")}
    return told | ({"text": unmarked(answer.text)} if answer.kind == WRITTEN else {})


async def _answer(assistant: Assistant, call: Call, body: Asked) -> Answer:
    return await call.asking.apart(lambda: assistant.ask(body.question, body.session, body.language))


def _closed(assistant: Assistant, name: str, turn: str) -> None:
    with assistant.store.begin() as connection:
        done(connection, name, turn)


def _back(assistant: Assistant, number: int | None) -> int:
    with assistant.store.begin() as connection:
        found = versions.go_back(connection, number)
    assistant.refresh()
    return found.number


def _turns(assistant: Assistant, session: str) -> list[dict[str, Any]]:
    with assistant.store.reading() as connection:
        return [vars(turn) for turn in turns_of(connection, session, LIST)]
