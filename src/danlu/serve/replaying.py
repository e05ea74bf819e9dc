"""A server that asks itself: do the models still answer as they did when they were saved?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from danlu.serve.service import Service


@asynccontextmanager
async def replaying(service: Service, seconds: float) -> AsyncIterator[None]:
    """Within the block the golden outputs are replayed every so many seconds; 0: never."""
    task = asyncio.ensure_future(_again(service, seconds)) if seconds else None
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


async def _again(service: Service, seconds: float) -> None:
    loop = asyncio.get_running_loop()
    while True:
        await asyncio.sleep(seconds)
        drifted = await loop.run_in_executor(service.changing, service.shelf.replay)
        if told := {name: differences[:3] for name, differences in drifted.items() if differences}:
            service.say("drift", models=told)
