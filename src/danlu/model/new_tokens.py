"""Room in a pretrained model for tokens that its tokenizer did not have.

The embedding of a new token, and its row in the output where that has one of its own, begin as the mean over the
pieces that the old tokenizer cuts it into (Sennrich et al., 2016, know no new words; the mean is the choice of
Hewitt, 2021, narrowed to the pieces that are replaced). What has no piece that is known begins as Hewitt has it: the
mean of all, with noise as wide as they differ, so that no two begin alike.
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

NEW = "new_tokens"
"""What a network calls how many tokens were new to its weights."""


def widen(network: PreTrainedModel, tokenizer: Tokenizer) -> None:
    """Give a network without weights as many rows as a tokenizer has tokens, where it has fewer."""
    if len(tokenizer) > getattr(network.get_input_embeddings(), "num_embeddings", len(tokenizer)):
        network.resize_token_embeddings(len(tokenizer), mean_resizing=False)


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
    setattr(network, NEW, len(pieces))
    if strange := [number for number, ids in pieces.items() if not ids]:
        first = tokenizer.convert_ids_to_tokens(strange[0])
        say(
            f"{name}: of {len(pieces):,} new tokens {len(strange):,} have no piece that its own tokenizer knows, such "
            f"as '{first:.40}'; these begin as the mean of all tokens, with noise"
        )
    drawing = torch.Generator().manual_seed(torch.initial_seed())
    for table in _tables(network):
        _fill(table, pieces, len(old), drawing)


def say_unlearnt(model: nn.Module, tuning: str, say: Say) -> None:
    """Say of new tokens that they stay what they began as, where a method does not train their embeddings."""
    new = [(network, count) for network in model.modules() if (count := vars(network).get(NEW, 0))]
    still = [count for network, count in new if not _tables(network)[0].requires_grad]  # type: ignore[arg-type]
    if still:
        say(
            f"the tokenizer has {max(still):,} tokens that are new to the weights, and tuning '{tuning}' leaves "
            "embeddings as they are, so they stay what they begin as; to let them learn, train with 'tuning: full', "
            "here or in a stage before this one"
        )


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
    """The pieces that each new token stands for, by number, of those that the old tokenizer knows; it may know none."""
    known = old.get_vocab()
    new = {number: token for token, number in sorted(tokenizer.get_vocab().items()) if token not in known}
    pieces = {token.content for token in tokenizer.added_tokens_decoder.values()} ^ {*new.values()}
    found = {number: _of_piece(token, old) for number, token in new.items() if token in pieces}
    words = {number: token for number, token in new.items() if token not in pieces}
    encodings = tokenized([*words.values()], old, offsets=False, special=False)
    found |= {number: encoding.ids for number, encoding in zip(words, encodings, strict=True)}
    return {number: [each for each in ids if each != old.unk_token_id] for number, ids in found.items()}


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
def _fill(table: Tensor, pieces: dict[int, list[int]], known: int, drawing: torch.Generator) -> None:
    """Begin the rows of new tokens; `known` are those that are not new, at the head of the table."""
    if strange := [number for number, ids in pieces.items() if not ids]:
        noise = torch.randn(len(strange), *table.shape[1:], generator=drawing, device="cpu")
        table[strange] = table[:known].mean(0) + table[:known].std(0) * noise
    for number, ids in pieces.items():
        if ids:
            table[number] = table[ids].mean(0)
