"""What all routes have in common: who asks, how much, for how long, what is counted and told of it."""

import asyncio
import json
import re
import sys
import time
import uuid
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import Response

from danlu.model.form_trial import FormTrial
from danlu.serve.asking import CLIENT_GONE, Asking, Gone
from danlu.serve.body import CUT, plain, raw, refuse_many
from danlu.serve.feedback import Feedback
from danlu.serve.foreign import guest, refuse_foreign, refuse_other_kinds
from danlu.serve.gate import Gate
from danlu.serve.keys import Key, owner, read_keys
from danlu.serve.limits import Limits
from danlu.serve.metrics import Metrics
from danlu.serve.problem import Problem, problem_of
from danlu.serve.shelf import Model, Shelf
from danlu.serve.streamed import Streamed
from danlu.serve.tracing import Tracing

_NAMED = re.compile(r"[A-Za-z0-9._-]{1,64}")


@dataclass
class Call:
    """One request on its way.

    - `value`: its body; `key`: whose it is; `model`: what it asked, once that is known.
    - `stack`: what is let go of when it is answered, a stream when its last piece is sent.
    - `read`, `written`: tokens; `learnt`: whether the gate has heard of these already.
    """

    asking: Asking
    value: dict[str, Any]
    key: Key | None
    route: str
    id: str
    stack: ExitStack
    begun: float
    model: Model | None = None
    read: int = 0
    written: int = 0
    learnt: bool = False

    @property
    def now(self) -> int:
        """The time, in seconds."""
        return int(time.time())


Work = Callable[[Call], Awaitable[Response]]


@dataclass
class Service:
    """One server: its models, its limits, its callers.

    - `keys`: the callers as they are known now; `keys_file`: from where they are read anew, where they are.
    """

    shelf: Shelf
    limits: Limits
    keys: tuple[Key, ...] = ()
    texts_told: bool = False
    feedback: Feedback | None = None
    tracing: Tracing | None = None
    keys_file: Path | None = None
    metrics: Metrics = field(default_factory=Metrics)
    threads: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(4, "danlu-serve"))
    keeping: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "danlu-feedback"))
    changing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "danlu-reload"))
    forms: FormTrial = field(default_factory=FormTrial)
    form_thread: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "danlu-forms"))
    stopping: bool = False
    quiet: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        self.gate = Gate(self.limits)
        self.metrics.gauge("danlu_waiting_requests", "Requests under way.", lambda: self.gate.waiting)
        self.metrics.gauge("danlu_waiting_tokens", "Tokens under way that are read alone.", lambda: self.gate.tokens)
        self.metrics.gauge("danlu_waiting_texts", "Texts being written, or to be.", lambda: self.gate.texts)
        self.metrics.gauge("danlu_tokens_per_second", "Tokens read a second under load.", lambda: self.gate.rate)

    async def handle(
        self,
        request: Request,
        route: str,
        work: Work,
        *,
        json_body: bool = True,
        value: Mapping[str, Any] | None = None,
        guests: int | None = None,
    ) -> Response:
        """Answer a request by `work`, whatever comes of it.

        `value` is what it says where it has no body; `guests`, that no key is wanted, and how often in a minute a
        machine may ask.
        """
        begun = time.monotonic()
        given = request.headers.get("x-request-id", "")
        name = given if _NAMED.fullmatch(given) else uuid.uuid4().hex
        stack = ExitStack()
        asking = Asking(request, asyncio.get_running_loop().time() + self.limits.seconds, self.threads)
        call = Call(asking, dict(value or {}), None, route, name, stack, begun)
        try:
            call.key = self.caller(request) if guests is None else guest(request, guests)
            if request.method == "POST":
                refuse_other_kinds(request)
            self.gate.request(call.key)
            stack.enter_context(self.gate.entered())
            if json_body:
                data = await raw(request, self.limits.body, asking.ends)
                call.value = await asking.done(len(data), lambda: plain(data, cut=route in CUT))
                refuse_many(call.value, self.limits.records)
            response = await work(call)
        except Gone:
            response = Response(status_code=CLIENT_GONE)
        except Exception as error:
            response = (await problem_of(error).worded(asking.accepted)).response()
        except BaseException:
            stack.close()
            raise
        response.headers["X-Request-ID"] = name
        if call.model is not None:
            response.headers["X-Fingerprint"] = call.model.fingerprint
        if isinstance(response, Streamed):
            response.after = lambda: self._over(call, response.outcome)
        else:
            self._over(call, response.status_code)
        return response

    def caller(self, request: Request) -> Key | None:
        """Whose key the request has; None where the server wants none. Raises `Problem` for another."""
        if not self.keys:
            refuse_foreign(request)
            return None
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not given:
            raise Problem(401, "key_missing", "a key is wanted: send the header 'Authorization: Bearer KEY'")
        found = owner(self.keys, given.strip())
        if found is None:
            raise Problem(401, "key_wrong", "this key is not known here")
        return found

    def take_keys(self) -> None:
        """Read the keys anew; what one of a name has asked in the last minute still counts.

        Raises:
            Refusal: the file cannot be used; the keys stay as they were.
        """
        if self.keys_file is not None:
            self.keys = read_keys(self.keys_file)

    def leased(self, call: Call, name: str | None) -> Model:
        """The model that a request names, held until it is answered."""
        call.model = call.stack.enter_context(self.shelf.lease(name))
        return call.model

    def admitted(self, call: Call, tokens: int, texts: int = 0, written: int = 0, rows: int = 1) -> None:
        """Count what a request costs: `tokens` that are read, and `texts` with at most so many tokens `written`.

        `rows`: how many texts are written after each prompt, of which each holds it.
        """
        call.stack.enter_context(self.gate.admitted(tokens, call.key, texts, written, rows))
        call.read = tokens

    def first_piece(self, call: Call) -> None:
        """Count how long the first piece of a stream has taken."""
        self.metrics.first.labels(call.route).observe(time.monotonic() - call.begun)

    def _over(self, call: Call, status: int) -> None:
        if status == 200 and call.read and not call.written and not call.learnt:
            self.gate.done(call.read)
        call.stack.close()
        seconds = time.monotonic() - call.begun
        model = call.model.name if call.model else ""
        self.metrics.requests.labels(call.route, model, str(status)).inc()
        self.metrics.seconds.labels(call.route).observe(seconds)
        if call.read:
            self.metrics.sizes.labels(call.route).observe(call.read)
            self.metrics.tokens.labels(model, "read").inc(call.read)
            self.metrics.tokens.labels(model, "written").inc(call.written)
        self._traced(call, model, status, seconds)
        if status < 400 and call.route in self.quiet:
            return
        self.say(
            "request",
            id=call.id,
            route=call.route,
            model=model,
            status=status,
            milliseconds=round(1000 * seconds, 1),
            read=call.read,
            written=call.written,
            key=call.key.name if call.key else None,
            **({"body": call.value} if self.texts_told else {}),
        )

    def _traced(self, call: Call, model: str, status: int, seconds: float) -> None:
        if self.tracing is None:
            return
        told = {
            "http.request.method": call.asking.request.method,
            "http.route": call.route,
            "http.response.status_code": status,
            "danlu.model": model or None,
            "danlu.request_id": call.id,
            "danlu.tokens.read": call.read,
            "danlu.tokens.written": call.written,
        }
        self.tracing.span(call.route, seconds, call.asking.request.headers, told)

    def close(self) -> None:
        """End its threads and its process; what is under way in them is left to its end."""
        self.stopping = True
        self.forms.close()
        for threads in (self.threads, self.keeping, self.changing, self.form_thread):
            threads.shutdown(wait=False, cancel_futures=True)

    def say(self, event: str, **told: Any) -> None:
        """A line of the log, in JSON; no text of a user is in it unless that was asked for."""
        line = {
            "time": round(time.time(), 3),
            "event": event,
            **{key: value for key, value in told.items() if value is not None},
        }
        print(json.dumps(line, ensure_ascii=True, default=str), file=sys.stderr, flush=True)  # noqa: T201
