"""The promise of a model source: where the network and its first weights come from."""

from abc import abstractmethod
from typing import Any, ClassVar

from transformers import PreTrainedModel

from danlu.recipe.part import Part
from danlu.text.tokenizer import Tokenizer


class Source(Part):
    """Where a model comes from."""

    folder: ClassVar[str] = "danlu.model.sources"

    @abstractmethod
    def build(self, auto_class: str, tokenizer: Tokenizer, config: dict[str, Any]) -> PreTrainedModel:
        """The model as `transformers`' `auto_class` makes it, in float32, with `config`'s fields set.

        `config` is what the task says of its head, such as `num_labels` and `id2label`.
        """

    def tokenizer_path(self) -> str | None:
        """The folder or name whose tokenizer belongs to the weights; None for a fresh network."""
        return None
