"""What a server offers beside its health: routes, and a page."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from fastapi.responses import Response

from danlu.serve.body import Body
from danlu.serve.service import Call, Service

Handler = Callable[[Service, Call], Awaitable[Response]]
Adds = Callable[[FastAPI, Service], None]


def nothing(_app: FastAPI, _service: Service) -> None:
    """Add no route."""


@dataclass(frozen=True)
class Site:
    """What is offered, and what goes on meanwhile.

    - `posts`: by path who answers, and the body that is taken; `gets`: by path who answers, with the values of query
      and path as text in `call.value`. The doc string of a handler says what it does.
    - `pages`: packages with a folder `page`; of two files of one name that of the later package is shown.
    - `public`: paths that pages of `origins` may ask from other sites, without a key, `a_minute` times a minute and
      machine.
    - `quiet`: paths that a page asks again and again; the log tells of them only what went wrong.
    - `samples`: by path and name a body to try, for those who read how the routes are asked.
    - `adds`: puts routes of another form on it; `around`: entered before the first request, left after the last.
    """

    posts: Mapping[str, tuple[Handler, type[Body]]]
    gets: Mapping[str, Handler] = field(default_factory=dict)
    pages: tuple[str, ...] = ("danlu.serve",)
    public: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    a_minute: int = 30
    quiet: frozenset[str] = frozenset()
    samples: Callable[[Service], Mapping[str, Mapping[str, Any]]] | None = None
    adds: Adds = nothing
    around: Callable[[Service], AbstractAsyncContextManager[None]] | None = None
