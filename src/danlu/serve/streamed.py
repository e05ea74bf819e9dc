"""An answer that is sent piece by piece, as long as somebody reads it and no longer."""

import asyncio
import json
from collections.abc import AsyncGenerator, Callable
from typing import Any

from fastapi.responses import Response
from starlette.types import Receive, Scope, Send

from danlu.serve.asking import CLIENT_GONE, Asking, Gone, over
from danlu.serve.problem import problem_of

EVENTS = "text/event-stream; charset=utf-8"
LINES = "application/x-ndjson; charset=utf-8"


class Streamed(Response):
    """Sends what `pieces` gives; closes it when the client is gone, or time is up.

    - `tell`: a piece that says what went wrong, where something does after the first piece.
    - `outcome`: the status that it would have had, had all been known at its beginning.
    - `after`: called once, when all is over.
    """

    def __init__(
        self, pieces: AsyncGenerator[bytes, None], media_type: str, asking: Asking, tell: Callable[[Any], bytes]
    ) -> None:
        super().__init__(media_type=media_type)
        self.tell = tell
        del self.headers["content-length"]
        self.headers["Cache-Control"] = "no-store"
        self.headers["X-Accel-Buffering"] = "no"
        self.pieces, self.asking = pieces, asking
        self.outcome = CLIENT_GONE
        self.after: Callable[[], None] = lambda: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        sending = asyncio.ensure_future(self._send(send))
        leaving = asyncio.ensure_future(_left(receive))
        try:
            seconds = self.asking.ends + 1.0 - asyncio.get_running_loop().time()
            await asyncio.wait({sending, leaving}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            try:
                await over({sending, leaving})
            finally:
                try:
                    await self.pieces.aclose()
                finally:
                    self.after()

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        try:
            async for piece in self.pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            self.outcome = self.status_code
        except Gone:
            return
        except Exception as error:
            problem = await problem_of(error).worded(self.asking.accepted)
            self.outcome = problem.status
            told = self.tell(problem.plain())
            await send({"type": "http.response.body", "body": told, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


_PARTS = {ord(sign): f"\\u{ord(sign):04x}" for sign in "\x85\u2028\u2029"}


def event(value: Any) -> bytes:
    """A value as one event of a stream (Server-Sent Events, HTML Living Standard, section 9.2)."""
    return b"data: " + _on_one_line(json.dumps(value, ensure_ascii=False, separators=(",", ":"))) + b"\n\n"


DONE = b"data: [DONE]\n\n"


def line(value: Any) -> bytes:
    """A value as a line of JSON."""
    return _on_one_line(json.dumps(value, ensure_ascii=False)) + b"\n"


def _on_one_line(text: str) -> bytes:
    """JSON whose texts hold no sign at which clients part lines."""
    return text.translate(_PARTS).encode()


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
