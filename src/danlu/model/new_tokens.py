"""Room in a pretrained model for tokens that its tokenizer did not have.

The embedding of a new token, and its row in the output where that has one of its own, begin as the mean over the
pieces that the old tokenizer cuts it into (Sennrich et al., 2016, know no new words; the mean is the choice of
Hewitt, 2021, narrowed to the pieces that are replaced).
"""

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.refusal import Refusal
from danlu.text.tokenizing.tokenized import tokenized
from danlu.text.tokenizing.tokenizer import Tokenizer
from danlu.text.tokenizing.tokenizers.pretrained import Pretrained


def make_room(network: PreTrainedModel, tokenizer: Tokenizer, folder: Path, name: str) -> None:
    """Give `network` rows for the tokens that `tokenizer` has beyond the tokenizer beside the weights in `folder`.

    Nothing is done where the two have the same vocabulary, or are strangers that the network has room for.

    Raises:
        Refusal: the tokenizer has more tokens than the network has embeddings, and is not the old one extended.
    """
    known = len(_tables(network)[0])
    there = any((folder / name).is_file() for name in ("tokenizer.json", "vocab.json"))
    old = Pretrained(path=str(folder)).build(lambda: iter(())) if there else None
    if old is None or not _extends(tokenizer, old):
        if len(tokenizer) > known:
            raise Refusal(
                f"{name}: the tokenizer has {len(tokenizer):,} tokens but the model only {known:,} embeddings; "
                "leave out 'tokenizer' to use the model's own, or extend that one with a tokenizer of kind 'extended'"
            )
        return
    if len(tokenizer) > known:
        network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    pieces = _replaced(tokenizer, old)
    for table in _tables(network):
        _fill(table, pieces)


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
