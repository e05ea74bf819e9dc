"""Who is let in: as much work as will be done in time, and no more, whoever asks; and of each key as much as it may."""

import math
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from danlu.serve.keys import Key
from danlu.serve.limits import Limits
from danlu.serve.problem import TOO_MANY, Problem

MINUTE = 60.0
MANY = 10_000
"""Callers that are remembered before those are forgotten who have asked nothing for a minute."""
UNKNOWN, LEAST = 16_384, 1_024
"""Tokens that may wait before anything is known of the speed, and whatever it is: a lone short text tells little of it,
for a batch takes hardly longer."""


@dataclass
class _Spent:
    """What a key has asked in the last minute: when and how much, and their sum."""

    each: deque[tuple[float, int]] = field(default_factory=deque)
    sum: int = 0


@dataclass
class Gate:
    """Counts what is under way, by one thread alone.

    - `waiting`: requests that are under way; `tokens`: what those cost together that are read alone; `texts`: how many
      are being written, which go on side by side, so that it is not their length that others wait for.
    - `rate`: tokens that are read a second while there is work, an average that forgets; 0 before it is known.
    """

    limits: Limits
    clock: Callable[[], float] = time.monotonic
    waiting: int = 0
    tokens: int = 0
    texts: int = 0
    rate: float = 0.0
    _busy_since: float = 0.0
    _spent: defaultdict[tuple[str, str], "_Spent"] = field(default_factory=lambda: defaultdict(_Spent))

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
    def admitted(self, tokens: int, key: Key | None, texts: int = 0, written: int = 0, rows: int = 1) -> Iterator[None]:
        """Room for so many tokens to be read, and for so many texts to be written, `written` tokens at most.

        Each token that is read is held in memory `rows` times, as often as texts are written after it.

        Raises:
            Problem: they are too many, now or ever.
        """
        held = rows * tokens + written
        if held > self.limits.tokens:
            told = f"the request comes to {held:,} tokens, and {self.limits.tokens:,} are taken at once"
            if rows > 1:
                told = (
                    f"the request comes to {held:,} tokens, as what is read counts for each of {rows:,} texts after "
                    f"it, and {self.limits.tokens:,} are taken at once; ask for fewer texts, or shorten what is read"
                )
            raise Problem(413, TOO_MANY, told)
        alone = 0 if texts else tokens
        self.refuse_full(alone)
        if texts and self.texts and self.texts + texts > self.limits.texts:
            raise self._full()
        if key is not None and key.tokens_per_minute:
            self._count(key, "tokens", key.tokens_per_minute, tokens + written)
        if not self.tokens:
            self._busy_since = self.clock()
        self.tokens, self.texts = self.tokens + alone, self.texts + texts
        try:
            yield
        finally:
            self.tokens, self.texts = self.tokens - alone, self.texts - texts

    def refuse_full(self, tokens: int) -> None:
        """Raise `Problem` where so many tokens more, or at least so many, would wait too long."""
        most = max(LEAST, self.rate * self.limits.patience) if self.rate else UNKNOWN
        if tokens and self.tokens and self.tokens + tokens > most:
            raise self._full()

    def done(self, tokens: int) -> None:
        """Learn the rate from work that was done to its end, and how long it was since anything was."""
        now = self.clock()
        seconds = max(now - self._busy_since, 1e-3)
        self._busy_since = now
        weight = 1 - math.exp(-seconds / 5.0)  # what was more than some five seconds ago counts little
        self.rate += (tokens / seconds - self.rate) * (weight if self.rate else 1.0)

    def request(self, key: Key | None) -> None:
        """Count a request of a key. Raises `Problem` where it is more than it may ask in a minute."""
        if key is not None and key.requests_per_minute:
            self._count(key, "requests", key.requests_per_minute, 1)

    def _count(self, key: Key, what: str, most: int, amount: int) -> None:
        """Count what a key asks in a minute. Raises `Problem` where it is more than it may."""
        now = self.clock()
        if len(self._spent) > MANY:  # of guests there may be any number
            for name in [
                name for name, each in self._spent.items() if not each.each or each.each[-1][0] <= now - MINUTE
            ]:
                del self._spent[name]
        spent = self._spent[key.name, what]
        while spent.each and spent.each[0][0] <= now - MINUTE:
            spent.sum -= spent.each.popleft()[1]
        if amount > most:
            told = (
                f"'{key.name}' may ask {most:,} {what} a minute, and this request alone comes to {amount:,}; ask less"
            )
            raise Problem(413, TOO_MANY, told)
        if spent.sum + amount > most:
            wait = math.ceil(_room(spent, most - amount) + MINUTE - now)
            told = f"'{key.name}' may ask {most:,} {what} a minute; try again in {wait} s"
            raise Problem(429, "key_limit", told, retry_after=max(1, wait))
        spent.each.append((now, amount))
        spent.sum += amount

    def _full(self) -> Problem:
        wait = max(1, math.ceil(self.tokens / self.rate)) if self.rate else 1
        told = f"the server has as much to do as it can in time; try again in {wait} s"
        return Problem(429, "busy", told, retry_after=wait)


def _room(spent: _Spent, most: int) -> float:
    """When that was asked which has to be a minute old, so that no more than `most` counts."""
    left = spent.sum
    for when, amount in spent.each:
        left -= amount
        if left <= most:
            return when
    return spent.each[-1][0]
