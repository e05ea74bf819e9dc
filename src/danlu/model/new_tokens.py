"""Room in a pretrained model for tokens that its tokenizer did not have.

The embedding of a new token, and its row in the output where that has one of its own, begin as the mean over the
pieces that the old tokenizer cuts it into (Sennrich et al., 2016, know no new words; the mean is the choice of
Hewitt, 2021, narrowed to the pieces that are replaced).
"""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import PreTrainedModel

from danlu.refusal import Refusal
from danlu.text.tokenizer import Tokenizer


def make_room(network: PreTrainedModel, tokenizer: Tokenizer, folder: Path, name: str) -> None:
    """Give `network` rows for the tokens that `tokenizer` has beyond the tokenizer beside the weights in `folder`.

    Nothing is done where the two are of one vocabulary, or the network has room and no tokenizer lies there.

    Raises:
        Refusal: the tokenizer has more tokens than the network has embeddings, and is not the old one extended.
    """
    known = network.get_input_embeddings().num_embeddings
    old = _old(folder)
    if old is None or not _extends(tokenizer, old):
        if len(tokenizer) > known:
            raise Refusal(
                f"{name}: the tokenizer has {len(tokenizer):,} tokens but the model only {known:,} embeddings; "
                "leave out 'tokenizer' to use the model's own, or extend that one with a tokenizer of kind 'extended'"
            )
        return
    pieces = _replaced(tokenizer, old)
    if not pieces:
        return
    if len(tokenizer) > known:
        network.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    for weights in _tables(network):
        _fill(weights, pieces)


def _old(folder: Path) -> Any:
    """The tokenizer that belongs to the weights; None where none lies beside them."""
    from tokenizers import Tokenizer as Backend

    file = folder / "tokenizer.json"
    return Backend.from_file(str(file)) if file.is_file() else None


def _extends(tokenizer: Tokenizer, old: Any) -> bool:
    """Whether every token of the old tokenizer has the same number in the new one."""
    vocabulary = tokenizer.get_vocab()
    return all(vocabulary.get(token) == number for token, number in old.get_vocab(with_added_tokens=True).items())


def _replaced(tokenizer: Tokenizer, old: Any) -> dict[int, list[int]]:
    """The pieces that each new token stands for, by number; those that the old tokenizer has no piece for aside."""
    known = set(old.get_vocab(with_added_tokens=True).values())
    new = {number: token for token, number in tokenizer.get_vocab().items() if number not in known}
    found = {number: old.encode(token, add_special_tokens=False).ids for number, token in sorted(new.items())}
    return {number: ids for number, ids in found.items() if ids}


def _tables(network: PreTrainedModel) -> list[Tensor]:
    """What has a row a token: input embeddings, output weights if they are not the same, and its bias."""
    tables: list[Tensor] = [network.get_input_embeddings().weight]  # type: ignore[list-item]
    output = network.get_output_embeddings()
    for table in (getattr(output, "weight", None), getattr(output, "bias", None)):
        if isinstance(table, Tensor) and all(table is not other for other in tables):
            tables.append(table)
    return tables


@torch.no_grad()
def _fill(table: Tensor, pieces: dict[int, list[int]]) -> None:
    for number, ids in pieces.items():
        table[number] = table[ids].mean(0)
