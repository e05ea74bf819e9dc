"""Requests to a server from a process of its own, in an open loop: they come when they come, answered or not.

The job is one JSON argument, the result the last line that is printed.
"""

import asyncio
import json
import statistics
import sys
import time
from typing import Any

import aiohttp
import numpy as np


async def open_loop(job: dict[str, Any]) -> dict[str, Any]:
    """`rate` requests a second on average, their times those of a Poisson process, for `seconds`."""
    rng = np.random.default_rng(job["seed"])
    gaps = rng.exponential(1 / job["rate"], int(job["rate"] * job["seconds"]))
    bodies = [json.dumps(body).encode() for body in job["bodies"]]
    found: list[tuple[int, float, float]] = []
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(30)) as session:
        begun = time.perf_counter()

        async def one(number: int, due: float) -> None:
            try:
                async with session.post(
                    job["address"], data=bodies[number % len(bodies)], headers={"Content-Type": "application/json"}
                ) as answer:
                    await answer.read()
                    status = answer.status
            except (aiohttp.ClientError, TimeoutError):
                status = 0
            now = time.perf_counter() - begun
            found.append((status, now - due, now))

        tasks = []
        for number, due in enumerate(np.cumsum(gaps)):
            wait = due - (time.perf_counter() - begun)
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.ensure_future(one(number, float(due))))
        await asyncio.gather(*tasks)
    return _told(found, job)


def _told(found: list[tuple[int, float, float]], job: dict[str, Any]) -> dict[str, Any]:
    good = sorted(seconds for status, seconds, _ in found if status == 200)
    refused = sorted(seconds for status, seconds, _ in found if status == 429)
    last = max(end for _, _, end in found)

    def at(values: list[float], share: float) -> float | None:
        return values[min(len(values) - 1, int(share * len(values)))] if values else None

    return {
        "rate": job["rate"],
        "asked": len(found),
        "answered": len(good),
        "refused": len(refused),
        "failed": len(found) - len(good) - len(refused),
        "per_second": len(good) / max(last, 1e-9),
        "p50": at(good, 0.5),
        "p99": at(good, 0.99),
        "refused_p99": at(refused, 0.99),
    }


async def talk(job: dict[str, Any]) -> dict[str, Any]:
    """`users` who each have `turns` answers written, one after the other; pieces are counted as they come."""
    firsts: list[float] = []
    tokens = 0
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(600)) as session:

        async def user(number: int) -> int:
            written = 0
            for turn in range(job["turns"]):
                text = job["texts"][(number * job["turns"] + turn) % len(job["texts"])]
                body = {**job["body"], "messages": [{"role": "user", "content": text}], "stream": True}
                begun, first = time.perf_counter(), None
                async with session.post(job["address"], json=body) as answer:
                    answer.raise_for_status()
                    async for line in answer.content:
                        if not line.startswith(b"data: {"):
                            continue
                        value = json.loads(line[6:])
                        choice = (value.get("choices") or [{}])[0]
                        if (choice.get("delta") or {}).get("content"):
                            first = first or time.perf_counter() - begun
                        if value.get("usage"):
                            written += value["usage"]["completion_tokens"]
                firsts.append(first or time.perf_counter() - begun)
            return written

        begun = time.perf_counter()
        tokens = sum(await asyncio.gather(*(user(number) for number in range(job["users"]))))
        seconds = time.perf_counter() - begun
    return {"users": job["users"], "tokens": tokens, "tokens_per_second": tokens / seconds,
            "first": statistics.median(firsts), "first_worst": max(firsts)}  # fmt: skip


if __name__ == "__main__":
    asked = json.loads(sys.argv[1])
    print(json.dumps(asyncio.run(talk(asked) if "users" in asked else open_loop(asked))))
