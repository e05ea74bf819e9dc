"""Where what several callers ask waits for the threads that answer it."""

import threading
from abc import ABC, abstractmethod
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from danlu.refusal import Refusal

Found = TypeVar("Found")


@dataclass(eq=False, kw_only=True)
class Job(Generic[Found]):
    """What one caller asks, in so many examples, and a place for what is found of each."""

    size: int
    future: "Future[list[Found]]" = field(default_factory=Future)
    found: dict[int, Found] = field(default_factory=dict)

    def take(self, number: int, value: Found) -> None:
        """What is found of an example; with the last one the caller has all, in order."""
        self.found[number] = value
        if len(self.found) == self.size:
            with suppress(InvalidStateError):  # cancelled, or another thread was as quick
                self.future.set_result([self.found[place] for place in range(self.size)])

    def fail(self, error: BaseException) -> None:
        """Refuse the whole, unless it is answered or cancelled."""
        with suppress(InvalidStateError):
            self.future.set_exception(error)


Asked = TypeVar("Asked", bound=Job)  # type: ignore[type-arg]


class Desk(ABC, Generic[Asked]):
    """Takes jobs from any thread."""

    def __init__(self) -> None:
        self._waiting: list[Asked] = []
        self._state = threading.Condition()
        self._closed = False

    def admit(self, job: Asked) -> None:
        """Let a job wait; one without examples is answered at once.

        Raises:
            Refusal: it was closed.
        """
        if not job.size:
            job.future.set_result([])
            return
        with self._state:
            if self._closed:
                raise Refusal("this bundle was closed; load it again to ask more of it")
            self._waiting.append(job)
            self._start()
            self._state.notify_all()

    @abstractmethod
    def _start(self) -> None:
        """Start the threads that answer, where they do not run yet."""
