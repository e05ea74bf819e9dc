"""A server of an assistant that is alive in a thread of its own."""

import asyncio
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import uvicorn

from danlu.apps.assistant.assistant import Assistant
from danlu.apps.assistant.serving import site_of
from danlu.serve.app import app_of
from danlu.serve.keys import Key
from danlu.serve.limits import Limits
from danlu.serve.service import Service
from danlu.serve.shelf import Shelf


@contextmanager
def serving(assistant: Assistant, keys: Sequence[Key] = (), **settings: Any) -> Iterator[str]:
    """The address of a server, which is ended with the block."""
    site = site_of(assistant, say=lambda _line: None, **settings)
    service = Service(Shelf(()), Limits(), tuple(keys))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = uvicorn.Server(uvicorn.Config(app_of(service, site=site), log_config=None, access_log=False))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listening])))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        finally:
            server.should_exit = True
            thread.join(20)
