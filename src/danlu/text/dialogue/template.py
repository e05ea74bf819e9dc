"""The promise of a template: how a conversation is written for a model that continues it."""

from abc import abstractmethod
from typing import ClassVar

from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.text.tokenizing.special import begin_id, end_id
from danlu.text.tokenizing.tokenizer import Tokenizer


class Template(Part):
    """How a conversation becomes one text.

    What is behind it is a template in Jinja, as tokenizers carry them (`chat_template`). A bundle keeps it there, so
    that other programs write the same text.
    """

    folder: ClassVar[str] = "danlu.text.dialogue.templates"

    @staticmethod
    def ends(tokenizer: Tokenizer) -> tuple[str, str]:
        """What a text of this tokenizer begins and an answer ends with, as literals of Jinja.

        Raises:
            Refusal: it has nothing that a text ends with.
        """
        begin, end = begin_id(tokenizer), end_id(tokenizer)
        if end is None:
            raise Refusal(
                "the tokenizer has no end token, so no answer would ever end; choose one that has, such as bpe"
            )
        said = ["" if number is None else str(tokenizer.convert_ids_to_tokens(number)) for number in (begin, end)]
        return repr(said[0]), repr(said[1])

    @staticmethod
    def opened(begin: str, usual: str) -> str:
        """What stands first, in Jinja: `begin`, and the system message, or the `usual` sentence where there is none."""
        system = "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% else %}{{ '"
        return f"{{{{ {begin} }}}}{system}{usual}' }}}}{{% endif %}}"

    @abstractmethod
    def jinja(self, tokenizer: Tokenizer) -> str:
        """The template in Jinja, for the special tokens of this tokenizer.

        Raises:
            Refusal: the tokenizer lacks what it is made of.
        """
