"""An assistant as a server: its site, and what goes on beside the requests."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from importlib.resources import files

from fastapi import FastAPI
from fastapi.responses import Response

from danlu.apps.assistant import conversations
from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.outbox import ADVICE, Webhook, counts, outbox_of
from danlu.apps.assistant.routes import PUBLIC, handlers
from danlu.apps.sending.outbox import FAILED, WAITING
from danlu.refusal import Refusal
from danlu.serve.routes.page import SAFE
from danlu.serve.service import Service
from danlu.serve.site import Site

LOOK, FORGET = 1.0, 300.0
"""Seconds between looks at what is to be sent and at what other processes have changed; and at what is old."""

_WEBSITE = re.compile(r"https?://([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)*[a-z0-9]([a-z0-9-]*[a-z0-9])?(:[1-9][0-9]{0,4})?")
_SCRIPT = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Cache-Control": "public, max-age=300",
}
TRIAL = (
    '<!doctype html>\n<html lang="en">\n<head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>widget</title></head>\n<body>\n'
    "<p>A page of a website, with one line for the widget.</p>\n<p>网站页面示例，只需一行代码嵌入客服窗口。</p>\n"
    '<script src="widget.js" defer></script>\n</body>\n</html>\n'
)


def site_of(
    assistant: Assistant,
    *,
    origins: frozenset[str] = frozenset(),
    a_minute: int = 30,
    webhook: Webhook | None = None,
    say: Callable[[str], object] = print,
) -> Site:
    """What is offered; pages of `origins` may ask the routes of the widget, `a_minute` times a minute and machine."""
    posts, gets = handlers(assistant, webhook is not None)

    @asynccontextmanager
    async def around(service: Service) -> AsyncIterator[None]:
        left: dict[str, int] = {}
        _look(assistant, left)
        if left[FAILED]:
            say(f"{left[FAILED]:,} handings-over were not taken by a webhook; they are sent again with: {ADVICE}")
        for state in (WAITING, FAILED):
            name, told = f"danlu_assistant_outbox_{state}", f"Handings-over in the outbox: {state}."
            service.metrics.gauge(name, told, lambda state=state: left[state])  # type: ignore[misc]
        threads = [ThreadPoolExecutor(1, f"danlu-assistant-{name}") for name in ("outbox", "refresh")]
        tasks = [
            asyncio.ensure_future(_again_and_again(threads[1], lambda: _look(assistant, left), say)),
            asyncio.ensure_future(_again_and_again(threads[1], lambda: _forget(assistant), say, FORGET)),
        ]
        if webhook is not None:
            box = outbox_of(assistant.store, webhook, say)
            tasks.append(asyncio.ensure_future(_again_and_again(threads[0], box.send_due, say)))
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
            for each in threads:
                each.shutdown(wait=True, cancel_futures=True)

    return Site(
        posts=posts,
        gets=gets,
        pages=("danlu.serve", "danlu.apps.assistant"),
        public=PUBLIC,
        origins=origins,
        a_minute=a_minute,
        samples=lambda _service: {
            "/v1/ask": {"en": {"question": "How do I return an item?"}, "zh": {"question": "怎么退货？"}}
        },
        adds=_widget,
        around=around,
    )


def _widget(app: FastAPI, _service: Service) -> None:
    script = (files("danlu.apps.assistant") / "widget" / "widget.js").read_bytes()

    @app.get("/widget.js", include_in_schema=False)
    async def widget() -> Response:
        """What a website puts into its pages by one line."""
        return Response(script, media_type="text/javascript; charset=utf-8", headers=_SCRIPT)

    @app.get("/widget", include_in_schema=False)
    async def trial() -> Response:
        """A page with the widget on it, to see it."""
        return Response(TRIAL, media_type="text/html; charset=utf-8", headers=SAFE)


def _look(assistant: Assistant, left: dict[str, int]) -> None:
    """Take over what others have changed, and see what is `left` to be sent."""
    assistant.refresh()
    with assistant.store.reading() as connection:
        left.update(counts(connection))


def _forget(assistant: Assistant) -> None:
    """Remove what is old."""
    with assistant.store.begin() as connection:
        conversations.forget(connection, assistant.now(), assistant.patience)


async def _again_and_again(
    thread: ThreadPoolExecutor, work: Callable[[], object], say: Callable[[str], object], seconds: float = LOOK
) -> None:
    """Do something every so many seconds; what goes wrong is told once, and tried again."""
    loop, before = asyncio.get_running_loop(), ""
    while True:
        try:
            await loop.run_in_executor(thread, work)
            before = ""
        except Exception as error:
            told = str(error) if isinstance(error, Refusal) else type(error).__name__
            if told != before:
                say(json.dumps({"event": "assistant", "failed": told}))
            before = told
        await asyncio.sleep(seconds)


def origins_of(given: Sequence[str]) -> frozenset[str]:
    """Websites as browsers name them.

    Raises:
        Refusal: one is no scheme and machine alone.
    """
    for each in given:
        if not _WEBSITE.fullmatch(each):
            raise Refusal(f"--origin {each:.80}: expected a website without a path, such as https://shop.example")
    return frozenset(given)
