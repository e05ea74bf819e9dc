"""A tokenizer that is there already: in a local folder, or on the Hugging Face hub."""

from collections.abc import Callable, Iterator

from pydantic import Field

from danlu.machine.hub import local_folder
from danlu.text.tokenizing.folder import FILES, SETTINGS, open_tokenizer
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource

FETCHED = [*FILES, SETTINGS, "config.json"]
"""What is fetched of a name on the hub: all that a tokenizer is made of, its chat template included."""


class Pretrained(TokenizerSource):
    """The tokenizer of a folder or of a hub name; nothing is learnt."""

    path: str = Field(description="local folder, or a name on the hub such as google-bert/bert-base-chinese")

    def build(self, texts: Callable[[], Iterator[str]]) -> Tokenizer:
        """Load it; `texts` goes unused. A tokenizer without padding token pads with its end token.

        Raises `Refusal` for a folder without tokenizer, a name that is not cached while the hub cannot be
        reached, and a tokenizer that needs code from the folder.
        """
        tokenizer = open_tokenizer(local_folder(self.path, FETCHED), self.path)
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
        return tokenizer
