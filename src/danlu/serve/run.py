"""A server from its first line to its last."""

import asyncio
import gc
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from danlu.machine.crowd import best, rates
from danlu.refusal import Refusal
from danlu.serve.app import app_of
from danlu.serve.certificate import refuse_certificate
from danlu.serve.feedback import Feedback
from danlu.serve.hangup import Hangups, remembered
from danlu.serve.keys import read_keys
from danlu.serve.limits import Limits
from danlu.serve.models import MODELS
from danlu.serve.problem import Problem
from danlu.serve.routes.operations import reloaded
from danlu.serve.service import Service
from danlu.serve.shelf import Place, Shelf
from danlu.serve.site import Site
from danlu.serve.tracing import Tracing

GRACE = 30
"""Seconds that requests under way have once the server is told to end."""
HANGING_UP = 5
"""Seconds in which what is under way ends once its connection is cut."""


@contextmanager
def _models(_shelf: Shelf) -> Iterator[Site]:
    yield MODELS


def serve(
    places: Sequence[Place],
    *,
    site: Callable[[Shelf], AbstractContextManager[Site]] = _models,
    host: str = "127.0.0.1",
    port: int = 8000,
    keys: Path | None = None,
    limits: Limits,
    replay: float = 600.0,
    texts_told: bool = False,
    feedback: str | None = None,
    certificate: tuple[Path, Path] | None = None,
    telemetry: str | None = None,
    say: Callable[[str], object] = print,
) -> None:
    """Open the models and answer until told to end (SIGINT, SIGTERM); SIGHUP takes all of them, and the keys, anew.

    A SIGHUP that comes before they are open is followed once they are.

    `site` says what is offered, given the models that are open, which stay so until it is left; without it, the
    models themselves.
    `certificate` is a file of one and that of its key; `telemetry` the address of a collector of traces.

    Raises:
        Refusal: a model cannot be opened, a file of keys or a certificate cannot be used, or the port is taken.
    """
    with remembered() as hangups:
        known = read_keys(keys) if keys is not None else ()
        if certificate is not None:
            refuse_certificate(*certificate)
        tracing = Tracing(telemetry) if telemetry is not None else None
        store = Feedback(feedback) if feedback is not None else None
        listening = _listening(host, port)
        shelf = Shelf(places)
        with listening, _libraries_left_alone():
            shelf.open()
            try:
                service = Service(shelf, limits, known, texts_told, store, tracing, keys)
                scheme = "http" if certificate is None else "https"
                address = f"{scheme}://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
                _tell(service, address, host, say)
                with site(shelf) as offered:
                    app = app_of(service, replay, offered)
                    asyncio.run(_serve(service, app, listening, say, address, certificate, hangups))
            finally:
                shelf.close()
                if store is not None:
                    store.close()
                if tracing is not None:
                    tracing.close()


@contextmanager
def _libraries_left_alone() -> Iterator[None]:
    """Within the block no collection of garbage looks through what is there already.

    Of 416,000 objects 411,000 are those of libraries; to look through them takes 0.45 s in which nobody is answered. Of
    a small model asked 260 times a second, twice what it sustains, 99 of 100 refusals came within 0.37 to 0.58 s, and
    come within 0.16 to 0.19 s (2 cores, 2026-11).
    """
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


async def _serve(
    service: Service,
    app: FastAPI,
    listening: socket.socket,
    say: Callable[[str], object],
    address: str,
    certificate: tuple[Path, Path] | None,
    hangups: Hangups,
) -> None:
    settings = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        lifespan="on",
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=30,
        h11_max_incomplete_event_size=64 * 1024,
        server_header=False,
        ssl_certfile=certificate and certificate[0],
        ssl_keyfile=certificate and certificate[1],
    )
    server = _Server(settings)
    loop = asyncio.get_running_loop()
    tasks: set[asyncio.Task[None]] = set()

    async def anew() -> None:
        try:
            await reloaded(service)
        except Problem:
            pass  # it stands in the log
        except Exception as error:
            service.say("reload", failed=type(error).__name__)

    def hung_up() -> None:
        task = asyncio.ensure_future(anew())
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    def ended() -> None:
        service.stopping = True
        server.handle_exit(signal.SIGINT, None)

    for number in (signal.SIGINT, signal.SIGTERM):
        _on(loop, number, ended)
    if hasattr(signal, "SIGHUP"):
        _on(loop, signal.SIGHUP, hung_up)
    if hangups.heard:
        hung_up()
    say(f"serving at {address}; Ctrl-C ends it")
    await server.serve(sockets=[listening])


def threads_that_pay(say: Callable[[str], object]) -> int:
    """How many threads answer fastest here, as is measured; tells it."""
    measured = rates()
    chosen = best(measured)
    told = ", ".join(f"{threads}: {rate / measured[chosen]:.2f}" for threads, rate in measured.items())
    say(f"{chosen} threads of one core each answer (speed by number of threads, {told}; --threads says otherwise)")
    return chosen


class _Server(uvicorn.Server):
    """One that leaves signals alone: theirs would end the process as killed, with all answered."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End once all is answered; told twice, hang up, so that what is under way ends as if its client had gone."""
        await super().shutdown(sockets)
        if self.force_exit:
            for connection in list(self.server_state.connections):
                connection.transport.abort()
            if under_way := set(self.server_state.tasks):
                await asyncio.wait(under_way, timeout=HANGING_UP)
            await self.lifespan.shutdown()  # which uvicorn leaves out then


def _on(loop: asyncio.AbstractEventLoop, number: signal.Signals, do: Callable[[], object]) -> None:
    try:
        loop.add_signal_handler(number, do)
    except NotImplementedError:  # on Windows
        signal.signal(number, lambda _number, _frame: loop.call_soon_threadsafe(do))


def _listening(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises `Refusal` where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(1024)
    except OSError as error:
        found.close()
        raise Refusal(
            f"--host {host} --port {port}: cannot be listened at ({error.strerror or error}); choose another port, or "
            "end the program that has it"
        ) from None
    return found


def _tell(service: Service, address: str, host: str, say: Callable[[str], object]) -> None:
    for name in service.shelf.names:
        with service.shelf.lease(name) as model:
            network = model.predictor.network
            say(
                f"{name}: {model.predictor.task.kind}, {network.number_format}, {network.cores} cores, answers as saved"
            )
    if host not in ("127.0.0.1", "::1", "localhost") and not service.keys:
        say(f"warning: {address} can be reached from other machines, and no key is wanted; see --keys")
