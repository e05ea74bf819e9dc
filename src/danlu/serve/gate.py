"""Who is let in: as much work as will be done in time, and no more, whoever asks; and of each key as much as it may."""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from danlu.serve.keys import Key
from danlu.serve.limits import Limits
from danlu.serve.problem import Problem

MINUTE = 60.0
FLOOR = 16_384
"""Tokens that may always wait: a handful of requests, before anything is known of the speed."""


@dataclass
class Gate:
    """Counts what is under way, by one thread alone.

    - `waiting`: requests that are under way; `tokens`: what they will cost together.
    - `rate`: tokens that are answered a second while there is work, an average that forgets; 0 before it is known.
    """

    limits: Limits
    clock: Callable[[], float] = time.monotonic
    waiting: int = 0
    tokens: int = 0
    rate: float = 0.0
    _busy_since: float = 0.0
    _spent: defaultdict[str, deque[tuple[float, int]]] = field(default_factory=lambda: defaultdict(deque))

    @contextmanager
    def entered(self) -> Iterator[None]:
        """A place for a request, before its body is read. Raises `Problem` where there is none."""
        if self.waiting >= self.limits.waiting:
            raise self._full()
        self.waiting += 1
        try:
            yield
        finally:
            self.waiting -= 1

    @contextmanager
    def admitted(self, tokens: int, key: Key | None) -> Iterator[None]:
        """Room for so many tokens of work. Raises `Problem` where they are too many, now or ever."""
        if tokens > self.limits.tokens:
            raise Problem(
                413,
                "too_many_tokens",
                f"the request comes to {tokens:,} tokens, and {self.limits.tokens:,} are taken at once",
            )
        if self.tokens and self.tokens + tokens > max(FLOOR, self.rate * self.limits.patience):
            raise self._full()
        self._of_key(tokens, key)
        begun = self.clock()
        if not self.tokens:
            self._busy_since = begun
        self.tokens += tokens
        try:
            yield
        except BaseException:
            self.tokens -= tokens
            raise
        self.tokens -= tokens
        self._learn(tokens)

    def _learn(self, tokens: int) -> None:
        """The rate from how long it was since anything was done, while there was work."""
        now = self.clock()
        seconds = max(now - self._busy_since, 1e-3)
        self._busy_since = now
        weight = 1 - math.exp(-seconds / 5.0)  # what was more than some five seconds ago counts little
        self.rate += (tokens / seconds - self.rate) * (weight if self.rate else 1.0)

    def _of_key(self, tokens: int, key: Key | None) -> None:
        """Count what a key asks in a minute. Raises `Problem` where it is more than it may."""
        if key is None or not (key.requests_per_minute or key.tokens_per_minute):
            return
        now, spent = self.clock(), self._spent[key.name]
        while spent and spent[0][0] <= now - MINUTE:
            spent.popleft()
        for most, used, what in (
            (key.requests_per_minute, len(spent) + 1, "requests"),
            (key.tokens_per_minute, sum(each for _, each in spent) + tokens, "tokens"),
        ):
            if most and used > most:
                wait = math.ceil(spent[0][0] + MINUTE - now) if spent else int(MINUTE)
                told = f"the key '{key.name}' may ask {most:,} {what} a minute; try again in {wait} s"
                raise Problem(429, "key_limit", told, retry_after=max(1, wait))
        spent.append((now, tokens))

    def _full(self) -> Problem:
        wait = max(1, math.ceil(self.tokens / self.rate)) if self.rate else 1
        told = f"the server has as much to do as it can in time; try again in {wait} s"
        return Problem(429, "busy", told, retry_after=wait)
