"""A server under attack: what its own interface description allows and more, a crowd, and a long life with reloads.

`schema` asks all routes what schemathesis thinks of, lone surrogates included; `crowd` is 64 users who each ask 1,000
times, good, bad, huge, slow and broken off; `soak` asks 200,000 small questions while the bundles are taken anew.
Prints a markdown table: answers by status, what went wrong, and the memory of the server after the first tenth and at
the end.
"""

import argparse
import asyncio
import collections
import gzip
import json
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import psutil

from measuring import HERE, Watch, machine, say, table
from serve import free_port, running

CHAT = HERE.parents[1] / "shared" / "models" / "stories260k"
WORDS = ["good", "slow", "service", "bad", "never again", "这本书写得很好", "物流太慢", "值得一读", "🙂", "café"]
TOLD = ("part", "requests", "seconds", "2xx", "4xx", "5xx", "wrong answers", "no answer", "memory, MiB", "growth")


@dataclass
class Seen:
    """What a part has seen of its server."""

    statuses: collections.Counter[int] = field(default_factory=collections.Counter)
    wrong: int = 0  # answers that are not those of the same question alone
    lost: int = 0  # no answer, where one was waited for
    memory: list[tuple[float, float]] = field(default_factory=list)  # seconds, MiB

    def tenths(self, seconds: float) -> str:
        """The least and the mean memory in each tenth of the time: what is held for good, and what comes and goes."""
        parts: list[list[float]] = [[] for _ in range(10)]
        for at, mib in self.memory:
            parts[min(9, int(10 * at / seconds))].append(mib)
        return ", ".join(f"{min(part):.0f}/{sum(part) / len(part):.0f}" for part in parts if part)

    def row(self, part: str, seconds: float) -> list[str]:
        """Of the table."""
        of = {
            kind: sum(count for status, count in self.statuses.items() if status // 100 == kind) for kind in (2, 4, 5)
        }
        warm = [mib for at, mib in self.memory if at >= seconds / 10]
        some = len(warm) // 10 + 1
        first, last = sum(warm[:some]) / some, sum(warm[-some:]) / some
        told = [part, f"{sum(self.statuses.values()):,}", f"{seconds:.0f}", *(f"{count:,}" for count in of.values())]
        return [*told, str(self.wrong), str(self.lost), f"{first:.0f} to {last:.0f}", f"{last / first - 1:+.1%}"]


@contextmanager
def served(folder: Path, seen: Seen) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """The address of a server of two bundles, whose memory is looked at every half second."""
    port = free_port()
    bundles = [f"{name}={folder / name}" for name in ("labels", "chat")]
    command = [sys.executable, "-m", "danlu", "serve", *bundles, "--port", str(port)]
    done = threading.Event()
    with running(command, f"http://127.0.0.1:{port}/health/ready", folder / "log") as process:

        def look() -> None:
            begun, held = time.perf_counter(), psutil.Process(process.pid)
            while not done.wait(0.5):
                seen.memory.append((time.perf_counter() - begun, held.memory_info().rss / 2**20))

        watcher = threading.Thread(target=look)
        watcher.start()
        try:
            yield f"http://127.0.0.1:{port}", process
        finally:
            done.set()
            watcher.join()


def by_schema(address: str, seen: Seen, cases: int) -> None:
    """As many cases of what the description of the interface gives rise to, over all its routes."""
    import schemathesis
    from hypothesis import HealthCheck, given, settings

    @schemathesis.serializer("application/x-ndjson")
    def lines(_context: Any, value: Any) -> Any:
        return value if isinstance(value, bytes) else json.dumps(value).encode("utf-8", "surrogatepass")

    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    routes: list[Any] = [found.ok() for found in schema.get_all_operations()]  # type: ignore[union-attr]
    few = -(-cases // sum(bool(route.body) for route in routes))  # of the others there are one or two cases
    for route in routes:

        @settings(max_examples=few, suppress_health_check=list(HealthCheck), deadline=None, database=None)
        @given(case=route.as_strategy())
        def ask(case: Any) -> None:
            answer = case.call(timeout=60)
            seen.statuses[answer.status_code] += 1

        ask()
        say(f"{route.label}: {dict(seen.statuses)}")


def surrogates(address: str, seen: Seen, cases: int) -> None:
    """Bodies with lone surrogates, in keys and in values, in as many shapes as there are cases."""
    import urllib.error
    import urllib.request

    dice = random.Random(5)
    for number in range(cases):
        text = "".join(dice.choices(["\ud800", "\udfff", "书", "a", "\x00", "\u202e"], k=dice.randrange(1, 9)))
        body: dict[str, Any] = dice.choice(
            [
                {"model": "labels", "text": text},
                {"model": text, "text": "good"},
                {"model": "chat", "messages": [{"role": "user", "content": text}], "max_tokens": 2},
                {text: text},
            ]
        )
        route = "/v1/chat/completions" if "messages" in body else "/v1/predict"
        raw = json.dumps(body, ensure_ascii=number % 2 == 0).encode("utf-8", "surrogatepass")
        asked = urllib.request.Request(address + route, raw, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(asked, timeout=60) as answer:
                seen.statuses[answer.status] += 1
        except urllib.error.HTTPError as error:
            seen.statuses[error.code] += 1


async def crowd(address: str, seen: Seen, users: int, turns: int) -> list[str]:
    """So many users who each ask so often, one thing after another; gives the words that only their texts have."""
    secrets = [f"geheim{number:03d}" for number in range(users)]
    timeout = aiohttp.ClientTimeout(120)
    async with aiohttp.ClientSession(address, timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        texts = [f"{secret} {' '.join(random.Random(secret).choices(WORDS, k=8))}" for secret in secrets]
        alone = [(await labelled(session, text), await written(session, text)) for text in texts]

        async def user(number: int) -> None:
            dice = random.Random(number)
            text, (label, reply) = texts[number], alone[number]
            for _ in range(turns):
                try:
                    kind = dice.choices(["label", "reply", "broken", "odd"], [70, 8, 4, 18])[0]
                    if kind == "label":
                        seen.wrong += await labelled(session, text, seen) not in (label, None)
                    elif kind == "reply":
                        seen.wrong += await written(session, text, seen) not in (reply, None)
                    elif kind == "broken":
                        await broken_off(session, text, dice)
                    else:
                        await odd(session, dice, seen)
                except (aiohttp.ClientError, TimeoutError) as error:
                    seen.lost += 1
                    say(f"{kind}: {error!r}")

        await asyncio.gather(*(user(number) for number in range(users)))
    return secrets


async def labelled(session: aiohttp.ClientSession, text: str, seen: Seen | None = None) -> str | None:
    """The label of a text; None where the server had too much to do."""
    async with session.post("/v1/predict", json={"model": "labels", "text": text}) as answer:
        if seen:
            seen.statuses[answer.status] += 1
        return (await answer.json())["predictions"][0]["label"] if answer.status == 200 else None


async def written(session: aiohttp.ClientSession, text: str, seen: Seen | None = None) -> str | None:
    """What is written to a text, greedily."""
    body = {"model": "chat", "messages": [{"role": "user", "content": text}], "max_tokens": 8, "temperature": 0}
    async with session.post("/v1/chat/completions", json=body) as answer:
        if seen:
            seen.statuses[answer.status] += 1
        return (await answer.json())["choices"][0]["message"]["content"] if answer.status == 200 else None


async def broken_off(session: aiohttp.ClientSession, text: str, dice: random.Random) -> None:
    """A stream that nobody reads to its end, or a request that is never sent whole."""
    if dice.random() < 0.5:
        body = {"model": "chat", "messages": [{"role": "user", "content": text}], "max_tokens": 300, "stream": True}
        async with session.post("/v1/chat/completions", json=body) as answer:
            await answer.content.readany()
        return
    url = session._base_url
    assert url is not None
    _reader, writer = await asyncio.open_connection(url.host, url.port)
    head = f"POST /v1/predict HTTP/1.1\r\nHost: {url.authority}\r\nContent-Type: application/json\r\n"
    for piece in (head[:30], f"{head[30:]}Content-Length: 500\r\n\r\n{{", '"model": '):  # slowly
        writer.write(piece.encode())
        await writer.drain()
        await asyncio.sleep(dice.random())
    writer.close()


ODD: dict[str, Callable[[random.Random], tuple[str, bytes, dict[str, str]]]] = {
    "deep": lambda dice: ("/v1/predict", b'{"text":' + b"[" * dice.randrange(50, 90_000), {}),
    "huge": lambda _: ("/v1/predict", b'{"model": "labels", "text": "' + b"a" * 64 * 2**20 + b'"}', {}),
    "bomb": lambda _: ("/v1/predict", gzip.compress(b" " * 64 * 2**20), {"Content-Encoding": "gzip"}),
    "path": lambda _: ("/v1/predict", b'{"model": "../../../etc/passwd", "text": "a"}', {}),
    "key": lambda _: ("/v1/predict", b'{"model": "labels", "text": "a"}', {"Authorization": "Bearer wrong"}),
    "long": lambda _: ("/v1/predict", json.dumps({"model": "labels", "text": "好 " * 300_000}).encode(), {}),
    "bytes": lambda dice: ("/v1/chat/completions", dice.randbytes(200), {}),
    "route": lambda _: ("/v1/..%2f..%2fetc%2fpasswd", b"{}", {}),
}
RARE = {"huge": 0.02, "bomb": 0.1, "long": 0.1}  # as often as others


async def odd(session: aiohttp.ClientSession, dice: random.Random, seen: Seen) -> None:
    """One of the things that are refused."""
    kind = dice.choices([*ODD], [RARE.get(name, 1.0) for name in ODD])[0]
    route, body, headers = ODD[kind](dice)
    try:
        async with session.post(route, data=body, headers={"Content-Type": "application/json"} | headers) as answer:
            await answer.read()
            seen.statuses[answer.status] += 1
    except aiohttp.ClientOSError:
        if kind != "huge":  # which the server does not read to its end
            raise


async def soak(address: str, seen: Seen, count: int, reload: Callable[[], None], reloads: int) -> None:
    """So many small questions by 16 users, and the bundles taken anew so often between them."""
    left = iter(range(count))
    timeout = aiohttp.ClientTimeout(120)
    async with aiohttp.ClientSession(address, timeout=timeout) as session:
        alone = {text: await labelled(session, text) for text in WORDS}

        async def user() -> None:
            for number in left:
                if number % (count // reloads) == count // reloads // 2:
                    reload()
                text = WORDS[number % len(WORDS)]
                try:
                    seen.wrong += await labelled(session, text, seen) != alone[text]
                except (aiohttp.ClientError, TimeoutError) as error:
                    seen.lost += 1
                    say(repr(error))

        await asyncio.gather(*(user() for _ in range(16)))


def attacked(part: str, folder: Path, *, quick: bool) -> list[str]:
    """One part against a server of its own; its row of the table."""
    seen, share = Seen(), 100 if quick else 1
    with served(folder, seen) as (address, process):
        begun = time.perf_counter()
        if part == "schema":
            by_schema(address, seen, 8_000 // share)
            surrogates(address, seen, 2_000 // share)
        elif part == "crowd":
            secrets = asyncio.run(crowd(address, seen, 64, 1_000 // share))
        else:
            asyncio.run(soak(address, seen, 200_000 // share, lambda: process.send_signal(signal.SIGHUP), 20))
        seconds = time.perf_counter() - begun
        if process.poll() is not None:
            raise SystemExit(f"the server has ended with {process.returncode}")
    log = (folder / "log").read_text(encoding="utf-8", errors="replace")
    if part == "crowd" and (told := [secret for secret in secrets if secret in log]):
        raise SystemExit(f"the log tells {len(told)} users' texts")
    if "Traceback" in log:
        raise SystemExit(f"the log has a traceback: {log[log.index('Traceback') - 500 :][:3000]}")
    say(f"{part}: {dict(seen.statuses)}; memory by tenths, least/mean MiB: {seen.tenths(seconds)}")
    return seen.row(part, seconds)


def main() -> None:
    """Attack in what parts the command line asks for, and print the table."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = ["schema", "crowd", "soak"]
    reader.add_argument("--what", nargs="*", choices=parts, default=parts)
    reader.add_argument("--quick", action="store_true", help="a hundredth of the requests: to see that it works")
    asked = reader.parse_args()
    watch = Watch()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        watch.fresh("serve_models.py", {"source": str(CHAT), "bundle": str(folder / "chat")})
        watch.fresh("serve_models.py", {"labels": True, "bundle": str(folder / "labels")})
        rows = [attacked(part, folder, quick=asked.quick) for part in asked.what]
    print(f"## A server under attack\n\n{machine()}.\n\n{table(TOLD, rows)}")


if __name__ == "__main__":
    main()
