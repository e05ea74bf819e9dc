"""The promise of a template: how a conversation is written for a model that continues it."""

from abc import abstractmethod
from typing import ClassVar

from danlu.recipe.part import Part
from danlu.text.tokenizing.tokenizer import Tokenizer


class Template(Part):
    """How a conversation becomes one text.

    What is behind it is a template in Jinja, as tokenizers carry them (`chat_template`). A bundle keeps it there, so
    that other programs write the same text.
    """

    folder: ClassVar[str] = "danlu.text.dialogue.templates"

    @abstractmethod
    def jinja(self, tokenizer: Tokenizer) -> str:
        """The template in Jinja, for the special tokens of this tokenizer.

        Raises:
            Refusal: the tokenizer lacks what it is made of.
        """
