"""How many tokens a model takes in a row, and whether it counts them from its padding token."""

from torch import Tensor, nn
from transformers import PreTrainedConfig, PreTrainedModel

VIRTUAL = "virtual_tokens"
"""The attribute of a model that says how many tokens a method lets stand before each row."""
UNBOUNDED = 2**20
"""Tokens a row may have where a model has no table of positions."""


def text_config(model: PreTrainedModel) -> PreTrainedConfig:
    """What the configuration says of the text; the whole of it where that is not told apart."""
    try:
        return model.config.get_text_config()
    except ValueError:  # of an encoder and a decoder that have one each
        return model.config


def longest_row(model: PreTrainedModel) -> int:
    """How many tokens a row of this model may have, special tokens included.

    RoBERTa and its many kin count positions from the padding token's number + 1, which their table of positions
    knows. Models without such a table (T5, XLNet) are given `UNBOUNDED`, unless they were made with `n_positions`; of
    an encoder and a decoder the shorter counts.
    """
    config = text_config(model)
    sides = [
        side for name in ("encoder", "decoder") if isinstance(side := getattr(config, name, None), PreTrainedConfig)
    ]
    bounds = [rows - first for rows, first in _after_padding(model)]
    for side in sides or [config]:
        positions = getattr(side, "n_positions", None) or getattr(side, "max_position_embeddings", None) or 0
        bounds += [int(positions)] if int(positions) > 0 else []
    ahead = int(getattr(config, "ngram", 1)) - 1  # ProphetNet predicts several tokens at once
    return min(bounds, default=UNBOUNDED) - ahead - int(getattr(model, VIRTUAL, 0))


def counts_from_padding(model: PreTrainedModel) -> bool:
    """Whether the number of the padding token is part of how positions are counted."""
    return bool(_after_padding(model))


def first_position(model: PreTrainedModel) -> int:
    """The number of the first position of a row, which some count from that of the padding token."""
    return max((first for _, first in _after_padding(model)), default=0)


def _after_padding(model: nn.Module) -> list[tuple[int, int]]:
    """Rows, and the first that a token may have, of each table of positions with a row for padding."""
    found = []
    for name, module in model.named_modules():
        padding, table = getattr(module, "padding_idx", None), getattr(module, "weight", None)
        if padding is not None and isinstance(table, Tensor) and "position" in name.rpartition(".")[2]:
            found.append((len(table), int(padding) + 1))
    return found
