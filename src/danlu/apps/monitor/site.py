"""What a monitor offers over HTTP: texts are pushed in, topics, trends and alerts are asked for."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from fastapi.responses import JSONResponse, Response
from pydantic import Field
from sqlalchemy import Connection

from danlu.apps.monitor import queries
from danlu.apps.monitor.item import item_of
from danlu.apps.monitor.monitor import Monitor
from danlu.apps.monitor.outbox import again
from danlu.apps.monitor.store import Kept
from danlu.apps.monitor.topics import ALL
from danlu.serve.body import Body, checked
from danlu.serve.problem import Problem
from danlu.serve.service import Call, Service
from danlu.serve.site import Handler, Site

LONGEST = 3660
"""Days that may be asked for."""

_POINTS = 400
"""Of a trend at most; more steps are put together."""


class Pushed(Body):
    """Texts: `text` or `title` is needed; `source`, `url`, `id`, `date`, `topics`, `negative` may be told."""

    texts: list[dict[str, Any]] = Field(min_length=1)


class Again(Body):
    """Messages that were given up: all, or those of an alert."""

    alert: int | None = Field(default=None, ge=1, le=2**62)


def site_of(monitor: Monitor) -> Site:
    """All that a monitor offers; its threads run while the server does."""

    @asynccontextmanager
    async def around(_service: Service) -> AsyncIterator[None]:
        monitor.start()
        try:
            yield
        finally:
            await asyncio.get_running_loop().run_in_executor(None, monitor.stop)

    gets: dict[str, Callable[[Monitor, Connection, dict[str, str]], Any]] = {
        "/v1/topics": topics,
        "/v1/trend": trend,
        "/v1/alerts": alerts,
        "/v1/alerts/{number}": alert,
        "/v1/state": state,
    }
    return Site(
        posts={"/v1/texts": (_pushing(monitor), Pushed), "/v1/again": (_trying_again(monitor), Again)},
        gets={path: _reading(monitor, read) for path, read in gets.items()},
        pages=("danlu.serve", "danlu.apps.monitor"),
        samples=lambda _service: {"/v1/texts": {"a text": {"texts": [{"text": "Delivery is late again.", "id": "1"}]}}},
        around=around,
    )


def _pushing(monitor: Monitor) -> Handler:
    async def push(_service: Service, call: Call) -> Response:
        """Keep texts; those that are known already are counted, and done no more. What is answered 200 is not lost."""
        body = checked(Pushed, call.value)

        def put() -> Kept:  # 8 MB of HTML are read for seconds, while which others are to be answered
            items = []
            for row, record in enumerate(body.texts):
                item = item_of(record, zone=monitor.settings.offset())
                if item is None:
                    raise Problem(400, "no_text", f"texts.{row}: has no 'text' and no 'title'", f"texts.{row}")
                items.append(item)
            return monitor.store.put(items, monitor.clock())

        kept = await call.asking.apart(put)
        told = {"new": kept.new, "known": kept.known, "undated": kept.undated, "future": kept.future}
        return JSONResponse(told | {"odd": kept.odd, "cut": kept.cut, "unread": kept.unread})

    return push


def _trying_again(monitor: Monitor) -> Handler:
    async def try_again(_service: Service, call: Call) -> Response:
        """Send messages once more that were given up."""
        body = checked(Again, call.value)
        return JSONResponse({"messages": await call.asking.apart(lambda: again(monitor.store, body.alert))})

    return try_again


def _reading(monitor: Monitor, read: Callable[[Monitor, Connection, dict[str, str]], Any]) -> Handler:
    async def answer(_service: Service, call: Call) -> Response:
        def asked() -> Any:
            with monitor.store.reading() as connection:
                return _worded(read(monitor, connection, call.value), call.asking.worded)

        return JSONResponse(await call.asking.apart(asked))

    answer.__doc__ = read.__doc__
    return answer


def _worded(found: dict[str, Any], worded: Callable[[str], str]) -> dict[str, Any]:
    """What was found, with why sources and messages have failed in the language of who asks."""
    alerts = found.get("alerts", ())
    failed = [*found.get("sources", ()), *(message for alert in alerts for message in alert["messages"])]
    known = {error: worded(error) for error in {each["error"] for each in failed} if error}
    for each in failed:
        each["error"] = known.get(each["error"])
    return found


def topics(monitor: Monitor, connection: Connection, asked: dict[str, str]) -> dict[str, Any]:
    """Topics of the last `days` (7) that have texts, with texts, negatives, copies, and the level that was learnt."""
    first, last = _span(monitor, connection, asked)
    detectors = monitor.worker.detectors(connection)
    rows = queries.topics(connection, first, last)
    for row in rows:
        detector = detectors.get(row["topic"])
        row["level"] = detector.level if detector else None
        row["learning"] = None if detector is None or detector.limits else int(detector.texts)
    alarm = monitor.settings.alarm
    return {"seconds": alarm.step, "first": first, "last": last, "learn": alarm.learn, "topics": rows}


def trend(monitor: Monitor, connection: Connection, asked: dict[str, str]) -> dict[str, Any]:
    """Texts and negatives of a `topic` (all) by time in the last `days` (7), and its alerts."""
    topic = asked.get("topic") or ALL
    first, last = _span(monitor, connection, asked)
    group = max(1, -(-(last - first + 1) // _POINTS))
    points = queries.trend(connection, topic, first, last, group)
    raised = [each for each in queries.alerts(connection, topic) if first <= each["told"]["step"] <= last]
    seconds = monitor.settings.alarm.step
    found = {"topic": topic, "seconds": seconds, "first": first, "last": last, "group": group, "points": points}
    return found | {"alerts": raised}


def alerts(_monitor: Monitor, connection: Connection, asked: dict[str, str]) -> dict[str, Any]:
    """The latest alerts, of all topics or of one, and what has become of their messages."""
    return {"alerts": queries.alerts(connection, asked.get("topic") or None)}


def alert(_monitor: Monitor, connection: Connection, asked: dict[str, str]) -> dict[str, Any]:
    """An alert, and the texts behind it."""
    number = asked["number"]
    found = queries.alert_or_none(connection, int(number)) if number.isdecimal() and len(number) < 19 else None
    if found is None:
        raise Problem(404, "no_such_alert", f"there is no alert {number[:20]}")
    return found | {"texts": queries.texts_behind(connection, found, 50)}


def state(monitor: Monitor, connection: Connection, _asked: dict[str, str]) -> dict[str, Any]:
    """What waits, what has failed, the sources, and by what texts are judged."""
    judges = {
        "topics": type(monitor.judge.finds_topics).__name__,
        "sentiment": type(monitor.judge.finds_negative).__name__,
    }
    told = queries.health(connection, monitor.source_names())
    return told | {"channels": sorted(monitor.channels), "judges": judges, "now": time.time()}


def _span(monitor: Monitor, connection: Connection, asked: dict[str, str]) -> tuple[int, int]:
    """The first and the last step that are meant; the last that has texts, or now."""
    days = asked.get("days", "7")
    if not days.isdecimal() or not 0 < int(days[:9]) <= LONGEST:
        raise Problem(400, "invalid_value", f"days: expected a whole number from 1 to {LONGEST}", "days")
    step = monitor.settings.alarm.step
    span = queries.span(connection)
    last = span[1] if span else int(monitor.clock() // step)
    return last - int(days) * 86_400 // step + 1, last
