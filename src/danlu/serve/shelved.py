"""A bundle of a shelf to whoever asks it in this process: at each call the one that is open then."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from danlu.bundle.bundle import Bundle
from danlu.data.record import Record
from danlu.engine.engine import Network
from danlu.engine.predict import Predictor
from danlu.model.policy import Policy
from danlu.model.written import Written
from danlu.serve.shelf import Shelf
from danlu.task.task import Prediction, Task
from danlu.text.tokenizing.tokenizer import Tokenizer

Found = TypeVar("Found")


class Shelved:
    """What keeps `danlu.bundle.answering.Answering`; a reload that comes meanwhile closes nothing that is asked."""

    def __init__(self, shelf: Shelf, name: str) -> None:
        self._shelf, self._name = shelf, name

    @property
    def folder(self) -> Path:
        """See `Answering`."""
        return self._of(lambda bundle: bundle.folder)

    @property
    def facts(self) -> dict[str, Any]:
        """See `Answering`."""
        return self._of(lambda bundle: bundle.facts)

    @property
    def task(self) -> Task:
        """See `Answering`."""
        return self._of(lambda bundle: bundle.task)

    @property
    def tokenizer(self) -> Tokenizer:
        """See `Answering`."""
        return self._of(lambda bundle: bundle.tokenizer)

    @property
    def network(self) -> Network:
        """See `Answering`."""
        return self._of(lambda bundle: bundle.network)

    @property
    def predictor(self) -> Predictor:
        """See `Answering`."""
        return self._of(lambda bundle: bundle.predictor)

    @property
    def fingerprint(self) -> str:
        """See `Answering`."""
        return self._of(lambda bundle: bundle.fingerprint)

    def predict(self, items: Sequence[str | Record]) -> list[Prediction]:
        """See `Answering`."""
        return self._of(lambda bundle: bundle.predict(items))

    def generate(
        self, prompts: Sequence[str | Record], policy: Policy | Mapping[str, Any] | str | None = None
    ) -> list[list[Written]]:
        """See `Answering`."""
        return self._of(lambda bundle: bundle.generate(prompts, policy))

    def _of(self, asked: Callable[[Bundle], Found]) -> Found:
        with self._shelf.lease(self._name) as model:
            return asked(model.bundle)
