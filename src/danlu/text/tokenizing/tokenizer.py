"""The promise of a tokenizer: how one is made, from text or from a folder; and how text enters it."""

import hashlib
import json
import re
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterator
from threading import Lock
from typing import TYPE_CHECKING, ClassVar
from weakref import WeakKeyDictionary

from transformers import PreTrainedTokenizerFast

from danlu.recipe.part import Part
from danlu.refusal import Refusal

if TYPE_CHECKING:
    from tokenizers import Tokenizer as Backend

Tokenizer = PreTrainedTokenizerFast
"""What every floor above works with; `save_pretrained` writes what plain transformers opens."""

_changing = Lock()
_with_blanks: "WeakKeyDictionary[Tokenizer, Backend]" = WeakKeyDictionary()
_of_characters: "WeakKeyDictionary[Tokenizer, Backend]" = WeakKeyDictionary()

_ALONE = r"▁?(?:[\p{Han}\p{Hiragana}\p{Katakana}]|[^\p{L}\p{N}\p{M}\s▁])"
"""A character of a script without spaces, or a sign, with the mark of the space before it."""


class TokenizerSource(Part):
    """How a tokenizer comes to be."""

    folder: ClassVar[str] = "danlu.text.tokenizing.tokenizers"

    @abstractmethod
    def build(self, texts: Callable[[], Iterator[str]]) -> Tokenizer:
        """Make the tokenizer; `texts` gives the training text anew at each call, and may go unused."""

    def extends(self) -> "TokenizerSource | None":
        """The source of the tokenizer to which this one adds tokens, if that is what it does."""
        return None


def backend_for_text(tokenizer: Tokenizer) -> "Backend":
    """The tokenizer's backend, set so that what somebody has typed is text: it makes no special token.

    `[SEP]` in a text is a bracket, a word and a bracket. Nothing is cut or padded, either. Words that were added
    without being special, as by the kind `extended`, are found as ever. transformers resets this at each call of the
    tokenizer itself, so it is looked after here, whenever text is encoded.
    """
    return _for_text(tokenizer.backend_tokenizer, tokenizer)


def backend_to_write(tokenizer: Tokenizer) -> "Backend":
    """As `backend_for_text`, for a text that is to be written: some translators cut it by pieces of its own."""
    written = written_by(tokenizer)
    return backend_for_text(tokenizer) if written is None else _for_text(written, tokenizer)


def written_by(tokenizer: Tokenizer) -> "Backend | None":
    """The backend by whose pieces texts to be written are cut, where it is another one than for those to be read."""
    return getattr(tokenizer, "danlu_written_by", None)


def write_by(tokenizer: Tokenizer, backend: "Backend") -> None:
    """Let texts to be written be cut by `backend`, which has the same numbers for the same tokens.

    Raises:
        Refusal: it has other numbers.
    """
    if backend.get_vocab() != tokenizer.get_vocab():
        raise Refusal("the tokens of what is written have other numbers than those of what is read; copy them again")
    tokenizer.danlu_written_by = backend


def backend_with_blanks(tokenizer: Tokenizer) -> "Backend":
    """As `backend_for_text`, but that the mask token in a text is the mask: a place that whoever asks leaves open."""
    found = _with_blanks.get(tokenizer)
    if found is None:
        from tokenizers import Tokenizer as Backend

        plain = json.loads(backend_for_text(tokenizer).to_str())
        for token in plain["added_tokens"]:
            if token["content"] == tokenizer.mask_token:
                token["special"] = False  # so that it is found in texts, as other added words are
        found = Backend.from_str(json.dumps(plain))
        found.encode_special_tokens = True
        _with_blanks[tokenizer] = found
    return found


def backend_of_characters(tokenizer: Tokenizer) -> "Backend":
    """As `backend_for_text`, but that no token holds two characters of scripts without spaces, or two signs.

    Where a span begins at any character, a token of two of them could not be labelled. Byte-level tokenizers that put
    a space before each piece cut as ever, for there would be one before each character.
    """
    found = _of_characters.get(tokenizer)
    if found is None:
        from tokenizers import Regex, pre_tokenizers
        from tokenizers import Tokenizer as Backend

        found = Backend.from_str(backend_for_text(tokenizer).to_str())
        found.encode_special_tokens = True
        before, told = found.pre_tokenizer, str(json.loads(found.to_str())["pre_tokenizer"])
        apart = pre_tokenizers.Split(Regex(_ALONE), "isolated")
        if before is None:
            found.pre_tokenizer = apart
        elif "'ByteLevel'" not in told:
            found.pre_tokenizer = pre_tokenizers.Sequence([before, apart])
        elif "'add_prefix_space': True" not in told:  # behind it there are bytes instead of characters
            found.pre_tokenizer = pre_tokenizers.Sequence([apart, before])
        _of_characters[tokenizer] = found
    return found


def fingerprint(tokenizer: Tokenizer, without: Collection[str] = ()) -> str:
    """The SHA-256 of all that decides which numbers a text becomes, with special tokens around it.

    `without` are parts of `tokenizer.json` that are to have no say.
    """
    backends = [backend_for_text(tokenizer)]
    if written_by(tokenizer) is not None:
        backends.append(backend_to_write(tokenizer))
    told = [json.loads(backend.to_str()) for backend in backends]
    plain = [{name: part for name, part in each.items() if name not in without} for each in told]
    return hashlib.sha256("\n".join(json.dumps(each, sort_keys=True) for each in plain).encode()).hexdigest()


def special_tokens(tokenizer: Tokenizer) -> list[str]:
    """The texts of all special tokens, those without a role included, sorted."""
    added = {token.content for token in tokenizer.added_tokens_decoder.values() if token.special}
    return sorted({*tokenizer.all_special_tokens, *added})


def special_ids(tokenizer: Tokenizer) -> frozenset[int]:
    """The numbers of all special tokens, those without a name of their own included (Llama 3's end of a message)."""
    added = (number for number, token in tokenizer.added_tokens_decoder.items() if token.special)
    return frozenset({*tokenizer.all_special_ids, *added})


def _for_text(backend: "Backend", tokenizer: Tokenizer) -> "Backend":
    with _changing:  # what changes while another thread encodes is an error of the library
        if backend.truncation is not None:  # some tokenizer files switch these on
            backend.no_truncation()
        if backend.padding is not None:
            backend.no_padding()
        if not backend.encode_special_tokens:
            backend.encode_special_tokens = True
            _take_apart(backend, tokenizer)
    return backend


def _take_apart(backend: "Backend", tokenizer: Tokenizer) -> None:
    """See to it that no special token is found as a piece of text either.

    Unigram models hold them in their vocabulary, as likelier than anything. A cut behind its first character makes
    each of them two pieces; numbers and everything else stay.
    """
    special = special_tokens(tokenizer)
    numbers = {backend.token_to_id(token) for token in special}
    if tokenizer.unk_token_id not in (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id):
        numbers.discard(tokenizer.unk_token_id)  # stands for characters that nobody knows as well
    tried = [form.format(token) for token in special for form in ("{}", "a {} a", "a{}a")]
    encodings = backend.encode_batch(tried, add_special_tokens=False)
    if not any(numbers.intersection(encoding.ids) for encoding in encodings):
        return
    from tokenizers import Regex, pre_tokenizers

    longer = [token for token in special if len(token) > 1]
    heads = "|".join(f"{re.escape(token[0])}(?={re.escape(token[1:])})" for token in longer)
    apart = pre_tokenizers.Split(Regex(heads), "isolated")
    before = backend.pre_tokenizer
    backend.pre_tokenizer = apart if before is None else pre_tokenizers.Sequence([before, apart])
