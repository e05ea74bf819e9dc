"""From a request to what a network says of it, and no further than somebody waits for it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import Request

from danlu.sentences import in_language
from danlu.serve.problem import Problem, is_chinese

Found = TypeVar("Found")

CLIENT_GONE = 499
"""What nginx calls a request whose client went away; nobody hears it but the log."""
SHORT = 4_000
"""Characters that are cut into tokens sooner than a thread is asked to."""


class Gone(Exception):
    """Whoever asked no longer waits."""


@dataclass(frozen=True)
class Asking:
    """One request on its way.

    - `ends`: when time is up, by the clock of the event loop.
    - `threads`: which do what would hold up the event loop.
    """

    request: Request
    ends: float
    threads: ThreadPoolExecutor

    @property
    def accepted(self) -> str:
        """The header Accept-Language: what languages are read by who asks."""
        return self.request.headers.get("accept-language", "")

    def worded(self, sentence: str) -> str:
        """A sentence of ours in the language of who asks; itself where it is not known in that one."""
        return (in_language(sentence, "zh") or sentence) if is_chinese(self.accepted) else sentence

    async def done(self, size: int, function: Callable[[], Found]) -> Found:
        """What a function gives; in a thread where its work, `size` characters, is not small.

        Raises:
            Problem: time is up.
        """
        return function() if size <= SHORT else await self.apart(function)

    async def apart(self, function: Callable[[], Found], threads: ThreadPoolExecutor | None = None) -> Found:
        """What a function gives in a thread, in one of `threads` where these are given.

        What it raises, a caller hears as `danlu.serve.problem.problem_of` tells it. Raises `Problem` where time is up;
        the thread is left to its work.
        """
        loop = asyncio.get_running_loop()
        working = loop.run_in_executor(threads or self.threads, function)
        try:
            await asyncio.wait({working}, timeout=max(0.0, self.ends - loop.time()))
            if not working.done():
                raise late()
            return working.result()
        finally:
            working.cancel()

    async def found(self, future: "Future[Found]") -> Found:
        """What a network finds; when time is up, or nobody waits any more, it is told to stop.

        Raises:
            Problem: time is up.
            Gone: the client has closed the connection.
        """
        loop = asyncio.get_running_loop()
        wanted = asyncio.wrap_future(future)
        gone = asyncio.ensure_future(left(self.request))
        both: set[asyncio.Future[Any]] = {wanted, gone}
        try:
            await asyncio.wait(both, timeout=self.ends - loop.time(), return_when=asyncio.FIRST_COMPLETED)
            if wanted.done():
                return wanted.result()
            raise Gone if gone.done() else late()
        finally:
            future.cancel()
            await over(both)

    async def pieces(self, begin: Callable[[Callable[[Any], None]], "Future[Any]"]) -> AsyncIterator[Any]:
        """What a network says piece by piece, and at the end what its future gives, as the tuple `(result,)`.

        A piece is a number and a text; those of one number that have come meanwhile come as one. `begin` starts it,
        given what takes a piece from any thread. Whoever closes this iterator stops the network.

        Raises:
            Problem: time is up.
        """
        loop = asyncio.get_running_loop()
        told: asyncio.Queue[Any] = asyncio.Queue()

        def put(piece: Any) -> None:
            with suppress(RuntimeError):  # the server was stopped meanwhile
                loop.call_soon_threadsafe(told.put_nowait, piece)

        future = begin(put)
        future.add_done_callback(lambda _: put(future))
        timer = loop.call_at(
            self.ends, told.put_nowait, None
        )  # one for all: a timer for each piece costs as much as it
        try:
            while True:
                for piece in joined([await told.get(), *(told.get_nowait() for _ in range(told.qsize()))]):
                    if piece is None:
                        raise late()
                    if piece is future:
                        yield (future.result(),)
                        return
                    yield piece
        finally:
            timer.cancel()
            future.cancel()


def joined(pieces: Iterable[Any]) -> Iterator[Any]:
    """Pieces of one number that follow each other as one piece; what is no piece stays what it is."""
    last: tuple[int, str] | None = None
    for piece in pieces:
        if isinstance(piece, tuple) and last is not None and piece[0] == last[0]:
            last = piece[0], last[1] + piece[1]
            continue
        if last is not None:
            yield last
        last = piece if isinstance(piece, tuple) else None
        if last is None:
            yield piece
    if last is not None:
        yield last


async def over(tasks: "set[asyncio.Future[Any]]") -> None:
    """Cancel them, and wait until they are; a cancellation of who waits is not taken for theirs."""
    for each in tasks:
        each.cancel()
    await asyncio.wait(tasks)
    for each in tasks:
        if not each.cancelled():
            each.exception()


async def left(request: Request) -> None:
    """Come back once the client has closed the connection."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


def late() -> Problem:
    """Time is up."""
    return Problem(504, "timeout", "the answer was not ready in time; ask for less, or later")
