"""What a tokenizer and its model must agree on: the padding token, and whether types tell two texts apart."""

import inspect

from torch import nn
from transformers import PreTrainedModel

from danlu.model.positions import counts_from_padding, text_config
from danlu.refusal import Refusal
from danlu.text.tokenizing.special import padding_id
from danlu.text.tokenizing.tokenizer import Tokenizer


def pad_alike(network: PreTrainedModel, tokenizer: Tokenizer, name: str) -> None:
    """Tell `network` the padding token of `tokenizer`; a decoder that classifies reads the last token before it.

    Raises:
        Refusal: the network counts positions from a padding token of another number.
    """
    number, config = padding_id(tokenizer), text_config(network)
    own = getattr(config, "pad_token_id", None)
    if own == number:
        return
    if own is not None and counts_from_padding(network):
        raise Refusal(
            f"{name}: the model counts positions from its padding token {own}, and the tokenizer pads with "
            f"{number}; use the model's own tokenizer, or one whose padding token has the number {own}"
        )
    for each in {id(config): config, id(network.config): network.config}.values():
        each.pad_token_id = number
    try:
        table: nn.Module | None = network.get_input_embeddings()
    except NotImplementedError:  # CANINE hashes characters
        return
    if isinstance(table, nn.Embedding) and table.padding_idx is not None:
        table.padding_idx = number  # the row of this number gets no gradient


def types_alike(network: PreTrainedModel, tokenizer: Tokenizer) -> None:
    """Let `tokenizer` give token types where `network` has a row for the second text, and there alone."""
    taken = _takes_types(network)
    rows: int | None = getattr(text_config(network), "type_vocab_size", None)
    names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]
    if taken and (rows > 1 if rows is not None else len(names) < len(tokenizer.model_input_names)):
        names.insert(1, "token_type_ids")
    tokenizer.model_input_names = names


def types_as_given(network: PreTrainedModel, tokenizer: Tokenizer) -> None:
    """Let `tokenizer` give token types as it was given, for so `network` has learnt; none where it takes none."""
    if not _takes_types(network):
        tokenizer.model_input_names = [name for name in tokenizer.model_input_names if name != "token_type_ids"]


def _takes_types(network: PreTrainedModel) -> bool:
    return "token_type_ids" in inspect.signature(network.forward).parameters
