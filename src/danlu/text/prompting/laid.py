"""A prompt in tokens, with each word in the place of the answer: which tokens are the word."""

from collections.abc import Sequence
from dataclasses import dataclass

from tokenizers import Encoding

from danlu.refusal import Refusal
from danlu.text.prompting.filled import Filled
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer


@dataclass(frozen=True)
class Scored:
    """How likely a word was found.

    - `log_probability`: natural logarithm, of all that was scored.
    - `tokens`, `characters`: of all that was scored.
    """

    log_probability: float
    tokens: int
    characters: int


@dataclass(frozen=True)
class Laid:
    """The tokens of a prompt with a word in it, of which those from `first` to before `end` hold the word."""

    ids: tuple[int, ...]
    first: int
    end: int


def laid(filled: Sequence[Filled], tokenizer: Tokenizer, *, special: bool, written: bool = False) -> list[list[Laid]]:
    """Each prompt with each of its words, cut into tokens as a whole, so that borders are those of running text.

    `written`: as texts that are to be written, which some translators cut otherwise.

    Raises:
        Refusal: a word has no token or unknown ones, or two words have the same.
    """
    wholes = [each.whole(word) for each in filled for word in each.words]
    encodings = tokenized(wholes, tokenizer, special=special, written=written)
    found = []
    for each in filled:
        rows = [_laid(next(encodings), each, word, tokenizer) for word in each.words]
        owners: dict[tuple[int, ...], str] = {}
        for row, word in zip(rows, each.words, strict=True):
            other = owners.setdefault(row.ids, word)
            if other != word and not each.loose:
                raise Refusal(
                    f"the words '{other}' and '{word}' are the same tokens to the model's tokenizer; choose others"
                )
        found.append(rows)
    return found


def refuse_long(filled: Filled, tokens: int, limit: int) -> None:
    """Raise `Refusal` for a prompt that is longer than a model takes."""
    if tokens > limit:
        raise Refusal(
            f"{filled.where}: the prompt with its answer has {tokens:,} tokens, and the model takes "
            f"{limit:,}; show fewer examples ('shots'), or let fewer characters of a text be read ('longest')"
        )


def _laid(encoding: Encoding, filled: Filled, word: str, tokenizer: Tokenizer) -> Laid:
    start = len(filled.before)
    stop = start + len(word)
    places = [place for place, (left, right) in enumerate(encoding.offsets) if left < stop and right > max(start, left)]
    if not places:
        told = f"the model's tokenizer makes no token of the word '{word}'; choose another"
        raise Refusal(f"{filled.where}: {told}" if filled.loose else told)
    ids = encoding.ids
    if (
        not filled.loose
        and tokenizer.unk_token_id is not None
        and tokenizer.unk_token_id in ids[places[0] : places[-1] + 1]
    ):
        raise Refusal(f"the word '{word}' is unknown to the model's tokenizer; choose another")
    return Laid(tuple(ids), places[0], places[-1] + 1)
