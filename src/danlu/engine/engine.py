"""The promise of an engine: what computes what a model says, whoever asks."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor, nn

from danlu.model.generate import Session, Wanted
from danlu.model.policy import Policy
from danlu.model.written import Written
from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.task.task import Task
from danlu.text.batching.batch import Batch
from danlu.text.batching.encoded import Encoded
from danlu.text.tokenizing.tokenizer import Tokenizer


class Network(ABC):
    """A model that is opened and answers several threads at once.

    - `limit`: the longest row that it takes, in tokens.
    - `cores`: how many batches it computes side by side.
    - `device`: where the tensors of a batch are to lie.
    - `rounding`: how far numbers may differ that should be equal, absolute and relative.
    - `number_format`: what it computes in, such as 'float32'.
    """

    limit: int
    cores: int
    device: torch.device
    rounding: float
    number_format: str

    @abstractmethod
    def forward(self, task: Task, batch: Batch) -> dict[str, Tensor]:
        """What the model says of a batch, as `Task.forward` names it."""

    def beside(self, model: nn.Module, frozen: Mapping[str, Tensor]) -> "Network":
        """A network of another model, in float32, that holds no second copy of the weights that it shares with this.

        `frozen` are those of the model's parameters that were left as this network has them, by their names in it.

        Raises:
            Refusal: this engine computes with what it has opened alone.
        """
        raise Refusal("this engine computes without adapters; open the bundle with the engine torch")

    def session(self, tokenizer: Tokenizer) -> Session:
        """Where texts are written side by side, by one thread at a time; several sessions share the weights.

        Raises:
            Refusal: this engine writes no text, or the model does not.
        """
        raise Refusal("this engine writes no text; open the bundle with the engine torch")

    def generate(self, examples: Sequence[Encoded], tokenizer: Tokenizer, policy: Policy) -> list[list[Written]]:
        """What the model writes after each example, the best first, by the calling thread.

        Raises:
            Refusal: see `session`; an example leaves no room to write.
        """
        session = self.session(tokenizer)
        found: dict[int, list[Written]] = {}
        session.ask(Wanted(policy, session.endings.prompts(examples), found.__setitem__))
        while session.busy:
            session.step()
        return [found[number] for number in range(len(examples))]


class Engine(Part):
    """What computes: named in a bundle, found by the name of a file."""

    folder: ClassVar[str] = "danlu.engine.engines"

    @abstractmethod
    def open(self, folder: Path, task: Task, tokenizer: Tokenizer, threads: int | None) -> Network:
        """The network in the folder of a bundle, with `threads` cores (None: as many as torch may use).

        Raises:
            Refusal: the folder does not hold what this engine computes with.
        """
