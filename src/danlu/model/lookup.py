"""Guesses of what comes next, from what was read: summaries, answers and code repeat it (Saxena, 2023).

Wrong guesses cost little: the model reads several tokens in almost the time of one, and says what it would have said.
"""

from collections.abc import Iterable

SIZES = (3, 2)
"""Tokens at the end that must have stood there before; the longer ones are asked first."""


class Lookup:
    """Tokens in a row, and where each short run of them stood last."""

    def __init__(self, ids: Iterable[int], most: int) -> None:
        """At `most` so many tokens are guessed; fewer while guesses are wrong."""
        self.ids: list[int] = []
        self.most = self.length = most
        self._last: dict[tuple[int, ...], int] = {}
        for token in ids:
            self.add(token)

    def add(self, token: int) -> None:
        """Go on by a token."""
        for size in SIZES:
            if len(self.ids) >= size:
                self._last[tuple(self.ids[-size:])] = len(self.ids)
        self.ids.append(token)

    def guess(self) -> list[int]:
        """What followed the last time that the row ended as it does now; nothing where it never did."""
        for size in SIZES:
            place = self._last.get(tuple(self.ids[-size:]))
            if place is not None:
                return self.ids[place : place + self.length]
        return []

    def learn(self, guessed: int, right: int) -> None:
        """Guess more after guesses that were all right, less after those that were mostly wrong."""
        if right == guessed:
            self.length = min(self.most, 2 * self.length)
        elif 2 * right < guessed:
            self.length = max(1, self.length // 2)
