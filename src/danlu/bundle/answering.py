"""What a bundle is to whoever asks it, whether it holds the bundle itself or the one that a server has open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from danlu.data.record import Record
    from danlu.engine.engine import Network
    from danlu.engine.predict import Predictor
    from danlu.model.policy import Policy
    from danlu.model.written import Written
    from danlu.task.task import Prediction, Task
    from danlu.text.tokenizing.tokenizer import Tokenizer


class Answering(Protocol):
    """A bundle that is open; see `danlu.bundle.bundle.Bundle`, which is one."""

    @property
    def folder(self) -> Path:
        """Where it lies."""

    @property
    def facts(self) -> dict[str, Any]:
        """What `danlu.json` says."""

    @property
    def task(self) -> Task:
        """What it answers."""

    @property
    def tokenizer(self) -> Tokenizer:
        """What cuts its texts."""

    @property
    def network(self) -> Network:
        """What computes."""

    @property
    def predictor(self) -> Predictor:
        """The threads that answer."""

    @property
    def fingerprint(self) -> str:
        """Tells whether two answers came from the same model."""

    def predict(self, items: Sequence[str | Record]) -> list[Prediction]:
        """One prediction a text or record, in order."""

    def generate(
        self, prompts: Sequence[str | Record], policy: Policy | Mapping[str, Any] | str | None = None
    ) -> list[list[Written]]:
        """What it writes after each text or record."""
