"""Characters as tokens."""

from collections.abc import Callable, Iterator

from pydantic import Field

from danlu.refusal import Refusal
from danlu.text.tokenizing.special import UNKNOWN, Style, finished, specials
from danlu.text.tokenizing.tokenizer import Tokenizer, TokenizerSource
from danlu.text.tokenizing.word_counts import Cut, count_words


class Char(TokenizerSource):
    """Each character is a token, white space too; rare ones are `<unk>`."""

    size: int | None = Field(default=None, ge=8, description="tokens in the vocabulary at most, special ones included")
    min_frequency: int = Field(default=1, ge=1, description="how often a character must occur")
    style: Style = Field(
        default="encoder", description="encoder: <cls> text <sep>; decoder: <s> and </s> for documents"
    )

    def build(self, texts: Callable[[], Iterator[str]]) -> Tokenizer:
        """Count the characters; the text is read once. Raises `Refusal` where none occurs often enough."""
        from tokenizers import Tokenizer as Backend
        from tokenizers import decoders, models

        counts = count_words(texts(), Cut.bert(), budget=0).characters
        ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
        characters = [character for character, count in ranked if count >= self.min_frequency]
        if not any(character.strip() for character in characters):
            raise Refusal(
                f"no character occurs {self.min_frequency} times in the training text; "
                "give the tokenizer more text, or set its 'min_frequency' to 1"
            )
        special = specials(self.style)
        kept = characters[: None if self.size is None else self.size - len(special)]
        vocabulary = {token: number for number, token in enumerate([*special, *kept])}
        backend = Backend(models.BPE(vocabulary, [], unk_token=UNKNOWN))  # without merges: no word is looked at
        backend.decoder = decoders.Fuse()
        return finished(backend, self.style)
