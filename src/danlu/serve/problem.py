"""What a request is refused with: a status, a reason for programs, a sentence for people."""

import asyncio
import sys
import traceback
from dataclasses import dataclass, replace
from typing import Any

from fastapi.responses import JSONResponse

from danlu.machine.database import Unreachable
from danlu.refusal import Refusal
from danlu.sentences import in_language

KINDS = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}
"""How OpenAI calls errors of a status; others are `invalid_request_error`, or `server_error` from 500 on."""

TOO_MANY = "too_many_tokens"
"""The reason of who asks more at once than is taken; in halves it might be."""

AWAY = 5
"""Seconds after which a database that does not answer may be asked again."""


@dataclass
class Problem(Exception):
    """Why a request is not answered.

    - `code`: the reason, for programs; `param`: the key of the request that it is about.
    - `retry_after`: seconds after which it may be tried again.
    - `translated`: the sentence in the language of who asks, where that is not English.
    """

    status: int
    code: str
    message: str
    param: str | None = None
    retry_after: int | None = None
    translated: str | None = None

    def plain(self) -> dict[str, Any]:
        """The answer's body, as the clients of OpenAI read it; `translated` is added where who asks reads Chinese."""
        kind = KINDS.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        param = None if self.param is None else _writable(self.param)
        told = {"message": _writable(self.message), "type": kind, "param": param, "code": self.code}
        return {"error": told if self.translated is None else {**told, "translated": _writable(self.translated)}}

    def in_language(self, accepted: str) -> "Problem":
        """The same with `translated`, where the header Accept-Language begins with Chinese and that is known."""
        return replace(self, translated=in_language(self.message, "zh")) if is_chinese(accepted) else self

    async def worded(self, accepted: str) -> "Problem":
        """The same as `in_language`, which looks up for milliseconds; in a thread where it does."""
        return await asyncio.to_thread(self.in_language, accepted) if is_chinese(accepted) else self

    def response(self) -> JSONResponse:
        """The answer."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status in (408, 413):  # what is left of the body is not waited for
            headers["Connection"] = "close"
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return JSONResponse(self.plain(), self.status, headers)


def is_chinese(accepted: str) -> bool:
    """Whether who sends such a header Accept-Language reads Chinese."""
    return accepted.strip().lower().startswith("zh")


def _writable(text: str) -> str:
    """The text with halves of characters written out, which no encoding has, but a request may."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def problem_of(error: Exception) -> Problem:
    """What a caller hears of an error; of one that is ours nothing, but the log tells where."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Refusal):
        return of_refusal(error)
    told_in_log(error)
    return Problem(500, "internal", "the server made a mistake; its log tells more")


def told_in_log(error: Exception) -> str:
    """The kind of an error, whose place the log tells; what it says may hold a user's text, and is not told."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    print(f"{frames}{type(error).__name__}", file=sys.stderr)  # noqa: T201
    return type(error).__name__


def of_refusal(refusal: Refusal, param: str | None = None) -> Problem:
    """What a task, a policy or a template has refused is the request's mistake; not so a database that is away."""
    if isinstance(refusal, Unreachable):
        return Problem(503, "database_unavailable", str(refusal), retry_after=AWAY)
    return Problem(400, "refused", str(refusal), param)
