"""Servers that are alive in a thread of their own."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import httpx2
import uvicorn

from danlu.serve.app import app_of
from danlu.serve.limits import Limits
from danlu.serve.models import MODELS
from danlu.serve.service import Service
from danlu.serve.shelf import Place, Shelf
from danlu.serve.site import Site


@dataclass
class Live:
    """A server that answers at `address`."""

    address: str
    service: Service

    @property
    def at(self) -> tuple[str, int]:
        """Machine and port."""
        host, _, port = self.address.removeprefix("http://").partition(":")
        return host, int(port)

    def client(self, **settings: object) -> httpx2.Client:
        told = {"timeout": 60, "trust_env": False, "verify": False} | settings  # certificates take 85 ms to load
        return httpx2.Client(base_url=self.address, **told)  # type: ignore[arg-type]

    def post(self, path: str, body: object, **settings: object) -> httpx2.Response:
        with self.client() as client:
            return client.post(path, json=body, **settings)  # type: ignore[arg-type]


@contextmanager
def shelved(places: Sequence[Place]) -> Iterator[Shelf]:
    """A shelf that is open, closed with the block."""
    shelf = Shelf(places)
    shelf.open()
    try:
        yield shelf
    finally:
        shelf.close()


@contextmanager
def serving(
    shelf: Shelf | None = None, limits: Limits | None = None, *, site: Site = MODELS, **settings: object
) -> Iterator[Live]:
    """A server in a thread, ended with the block; without a shelf it has no bundles."""
    service = Service(shelf or Shelf(()), limits or Limits(), **settings)  # type: ignore[arg-type]
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(256)
    told = uvicorn.Config(app_of(service, site=site), log_config=None, access_log=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(told)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
    thread.start()
    try:
        yield Live(f"http://127.0.0.1:{listening.getsockname()[1]}", service)
    finally:
        server.should_exit = True
        thread.join(20)
        listening.close()
