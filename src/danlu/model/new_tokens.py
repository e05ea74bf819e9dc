"""Room in a pretrained model for tokens that its tokenizer did not have.

The embedding of a new token, and its row in the output where that has one of its own, begin as the mean over the
pieces that the old tokenizer cuts it into (Sennrich et al., 2016, know no new words; the mean is the choice of
Hewitt, 2021, narrowed to the pieces that are replaced).
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.model.source import Say, unsaid
from danlu.refusal import Refusal
from danlu.text.tokenizing.folder import holds_tokenizer
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.pretrained import Pretrained


def make_room(
    network: PreTrainedModel, tokenizer: Tokenizer, folder: Path, name: str, say: Say = unsaid, least: float = 0.0
) -> None:
    """Give `network` rows for the tokens that `tokenizer` has beyond the tokenizer beside the weights in `folder`.

    Where the two are strangers and the network has room, nothing is done, and it is said how much they share.

    Raises:
        Refusal: the tokenizer has more tokens than the network has embeddings, and is not the old one extended; or
            less than the share `least` of its tokens is what the weights know by their numbers.
    """
    known = len(_tables(network)[0])
    old = _beside(folder, name, say)
    if old is None or not _extends(tokenizer, old):
        if len(tokenizer) > known:
            raise Refusal(
                f"{name}: the tokenizer has {len(tokenizer):,} tokens but the model only {known:,} embeddings; "
                "leave out 'tokenizer' to use the model's own, or extend that one with a tokenizer of kind 'extended'"
            )
        if old is not None:
            _tell_shared(tokenizer, old, name, say, least)
        return
    if len(tokenizer) > known:
        network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    pieces = _replaced(tokenizer, old)
    for table in _tables(network):
        _fill(table, pieces)


def _beside(folder: Path, name: str, say: Say) -> Tokenizer | None:
    """The tokenizer beside the weights; none where there is no vocabulary, or one that cannot be opened."""
    if not holds_tokenizer(folder):
        return None
    try:
        return Pretrained(path=str(folder)).build(lambda: iter(()))
    except Refusal as refusal:
        say(f"{name}: whether its weights know the tokens of the tokenizer cannot be told; {refusal}")
        return None


def _tell_shared(tokenizer: Tokenizer, old: Tokenizer, name: str, say: Say, least: float) -> None:
    numbers = old.get_vocab()
    vocabulary = tokenizer.get_vocab()
    shared = sum(numbers.get(token) == number for token, number in vocabulary.items())
    if shared < least * len(vocabulary):
        raise Refusal(
            f"{name}: of {len(vocabulary):,} tokens of the tokenizer its own has {shared:,} under the same numbers, "
            "so its weights would read and write other words; give a model of the same vocabulary"
        )
    if shared < len(vocabulary):
        say(
            f"{name}: of {len(vocabulary):,} tokens of the tokenizer its own has {shared:,} under the same numbers, "
            "and the others begin with the weights of other words; leave out 'tokenizer' to use its own"
        )


def _extends(tokenizer: Tokenizer, old: Tokenizer) -> bool:
    """Whether every token of the old tokenizer has the same number in the new one."""
    vocabulary = tokenizer.get_vocab()
    return all(vocabulary.get(token) == number for token, number in old.get_vocab().items())


def _replaced(tokenizer: Tokenizer, old: Tokenizer) -> dict[int, list[int]]:
    """The pieces that each new token stands for, by number; those that the old tokenizer has no piece for aside."""
    known = old.get_vocab()
    new = {number: token for token, number in sorted(tokenizer.get_vocab().items()) if token not in known}
    pieces = {token.content for token in tokenizer.added_tokens_decoder.values()} ^ {*new.values()}
    found = {number: _of_piece(token, old) for number, token in new.items() if token in pieces}
    words = {number: token for number, token in new.items() if token not in pieces}
    encodings = tokenized([*words.values()], old, offsets=False, special=False)
    found |= {number: encoding.ids for number, encoding in zip(words, encodings, strict=True)}
    return {number: ids for number, ids in found.items() if ids}


def _of_piece(name: str, old: Tokenizer) -> list[int]:
    """What a model of pieces makes of one that it has not, which is spelled as these are: `Ġfurnace`."""
    return [token.id for token in old.backend_tokenizer.model.tokenize(name)]


def _tables(network: PreTrainedModel) -> list[Tensor]:
    """What has a row a token: input embeddings, output weights if they are not the same, and what is added to them."""
    tables: list[Tensor] = []
    output: nn.Module | None = network.get_output_embeddings()  # type: ignore[no-untyped-call]
    for module, part in ((network.get_input_embeddings(), "weight"), (output, "weight"), (output, "bias")):
        table = getattr(module, part, None)
        if isinstance(table, Tensor) and all(table is not other for other in tables):
            tables.append(table)
    added = getattr(network, "final_logits_bias", None)  # of BART and Marian, (1, V)
    return tables if added is None else [*tables, added[0]]


@torch.no_grad()
def _fill(table: Tensor, pieces: dict[int, list[int]]) -> None:
    for number, ids in pieces.items():
        table[number] = table[ids].mean(0)
