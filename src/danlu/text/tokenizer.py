"""The promise of a tokenizer: how one is made, from text or from a folder."""

from abc import abstractmethod
from collections.abc import Callable, Iterator
from typing import ClassVar

from transformers import PreTrainedTokenizerFast

from danlu.recipe.part import Part

Tokenizer = PreTrainedTokenizerFast
"""What every floor above works with; `save_pretrained` writes what plain transformers opens."""


class TokenizerSource(Part):
    """How a tokenizer comes to be."""

    folder: ClassVar[str] = "danlu.text.tokenizers"

    @abstractmethod
    def build(self, texts: Callable[[], Iterator[str]]) -> Tokenizer:
        """Make the tokenizer; `texts` gives the training text anew at each call, and may go unused."""
