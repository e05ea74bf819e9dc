"""Many texts to tokens at once, as every reader of text asks for them."""

from collections.abc import Iterator, Sequence
from functools import partial

from tokenizers import Encoding

from danlu.data.characters.side_by_side import blocks
from danlu.text.tokenizing.tokenizer import (
    Tokenizer,
    backend_for_text,
    backend_of_characters,
    backend_to_write,
    backend_with_blanks,
)

BLOCK_CHARACTERS = 2**20  # of a block: encodings take some 100 bytes a token
BLOCK = 4096  # texts that are tokenized together: enough for all cores, little enough for memory


def tokenized(
    texts: Sequence[str],
    tokenizer: Tokenizer,
    *,
    offsets: bool = True,
    special: bool = True,
    blanks: bool = False,
    characters: bool = False,
    written: bool = False,
) -> Iterator[Encoding]:
    """The texts as the tokenizer's own post-processor leaves them, `special` tokens included, never cut or padded.

    What is typed in a text is text, also where it reads like a special token (`backend_for_text`); with `blanks`
    alone, the mask token is the mask, and with `characters` no token holds two characters of scripts without spaces
    (`backend_of_characters`). Texts that are to be `written` are cut by pieces of their own where the tokenizer has
    such. Without `offsets`, those of the encodings mean nothing, and it takes less time.
    Lone surrogates, which json may bring and no tokenizer takes, are read as question marks.
    """
    for block in blocks(texts, len, BLOCK_CHARACTERS, BLOCK):
        backend = backend_to_write(tokenizer) if written else backend_for_text(tokenizer)
        if characters:
            backend = backend_of_characters(tokenizer)
        if blanks and any(str(tokenizer.mask_token) in text for text in block):
            backend = backend_with_blanks(tokenizer)
        encode = partial(backend.encode_batch if offsets else backend.encode_batch_fast, add_special_tokens=special)
        try:
            yield from encode(block)
        except (TypeError, UnicodeEncodeError):
            yield from encode([text.encode("utf-8", "replace").decode("utf-8") for text in block])
