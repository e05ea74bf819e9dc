"""A table of word embeddings that holds the rows of some tokens alone: those that a training reads.

A row that is never read has no gradient and no moments, and yet optimizers, norms, averages and checkpoints go
through it: 40 % of MiniLM's parameters where it learns from 5,452 short English texts (2026-11).
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor, nn

from danlu.model.fast import SPARSE_FROM
from danlu.model.four_bits import hidden_elements
from danlu.model.heads import unwrapped


class WordRows(nn.Embedding):
    """Some rows of a table, read by the numbers that tokens had in the whole one.

    - `kept`: (R,), which rows these are, in order.
    - `whole`: how many there were. A token whose row is not here is out of range, so torch raises.
    """

    kept: Tensor
    _places: Tensor

    def __init__(self, table: nn.Embedding, kept: Tensor) -> None:
        """Copy the rows `kept` (R,), which are in order, out of `table`."""
        where, self.whole = table.weight.device, table.num_embeddings
        kept = kept.to(where)
        places = torch.full((self.whole,), len(kept), device=where)
        places[kept] = torch.arange(len(kept), device=where)
        super().__init__(
            len(kept),
            table.embedding_dim,
            padding_idx=None if table.padding_idx is None else int(places[table.padding_idx]),
            sparse=table.sparse,
            _weight=table.weight.detach()[kept],
        )
        self.train(table.training)
        self.register_buffer("kept", kept, persistent=False)
        self.register_buffer("_places", places, persistent=False)

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 - torch's name
        """The rows of the tokens."""
        return super().forward(self._places[input])

    @property
    def absent(self) -> Tensor:
        """The rows that are not here, (whole - R,)."""
        return (self._places == len(self.kept)).nonzero()[:, 0]


def keep_rows(model: nn.Module, tokens: Iterable[ArrayLike]) -> None:
    """Let the trained word embeddings of `model` hold the rows alone of `tokens`, which come by the row or block.

    Nothing is done where little would go, where a head shares the table or answers with tokens, which are then read
    again, or where a family has a table of its own sort.
    """
    table = _word_table(model)
    if table is None or table.weight.numel() < SPARSE_FROM:
        return
    inner = unwrapped(model)
    read = np.zeros(table.num_embeddings, dtype=bool)
    for some in tokens:
        read[np.asarray(some)] = True
        if read.all():
            return
    named = [value for key, value in inner.config.to_dict().items() if key.endswith("_token_id")]
    for number in (table.padding_idx, *named):  # families pad rows, and begin them, by themselves
        if isinstance(number, int) and 0 <= number < len(read):
            read[number] = True
    if np.count_nonzero(~read) * table.embedding_dim < SPARSE_FROM:
        return
    kept = torch.from_numpy(read.nonzero()[0])
    for module in inner.modules():
        for name, child in module.named_children():
            if child is table:
                setattr(module, name, WordRows(table, kept))


def _word_table(model: nn.Module) -> nn.Embedding | None:
    """The table of words of `model`, where it is trained and nothing else looks into it."""
    inner = unwrapped(model)
    try:
        table: nn.Module = inner.get_input_embeddings()
    except NotImplementedError:  # CANINE reads characters by their hashes
        return None
    if type(table) is not nn.Embedding or table.max_norm is not None or not table.weight.requires_grad:
        return None
    holders = [
        module
        for module in model.modules()
        for parameter in module.parameters(recurse=False)
        if parameter is table.weight
    ]
    answers = inner.get_output_embeddings()  # type: ignore[no-untyped-call]
    return table if len(holders) == 1 and answers is None and not inner.config.is_encoder_decoder else None


def word_rows(model: nn.Module) -> dict[str, WordRows]:
    """The tables of `model` that hold some rows alone, by the names of their weights."""
    return {f"{name}.weight": each for name, each in model.named_modules() if isinstance(each, WordRows)}


def parameters_of(model: nn.Module) -> int:
    """How many parameters a model has, rows that are not here included, and each weight of those in few bits."""
    absent = sum((each.whole - len(each.kept)) * each.embedding_dim for each in word_rows(model).values())
    return absent + hidden_elements(model) + sum(parameter.numel() for parameter in model.parameters())
