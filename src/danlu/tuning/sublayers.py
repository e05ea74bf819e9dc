"""Where attention and the feed-forward layers of each block end, found by how transformers lays blocks out."""

import re
from dataclasses import dataclass

from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.pytorch_utils import Conv1D

from danlu.model.positions import text_config
from danlu.tuning.layers import blocks_of

_QUERY = re.compile(r"q(uery)?(_[a-z]+)*")


@dataclass(frozen=True)
class Sublayers:
    """Linear layers of a network, by their names.

    - `remembered`: those that make keys and values, with or without the queries.
    - `attention`: the last of each attention.
    - `feed_forward`: the last of each block that is no attention's.
    - `beginning`: for each of those the first of its block that is no attention's and takes hidden states.
    """

    remembered: list[str]
    attention: list[str]
    feed_forward: list[str]
    beginning: list[str]


def sublayers(model: PreTrainedModel) -> Sublayers:
    """Linear layers of all blocks; a list is empty where a family does without them.

    Raises:
        Refusal: the network has no blocks.
    """
    width = int(text_config(model).hidden_size)
    found = Sublayers([], [], [], [])
    for prefix in blocks_of(model):
        attentions: list[str] = []
        others: list[tuple[str, tuple[int, int]]] = []
        block = model.get_submodule(prefix[:-1])
        for name, module in block.named_modules(prefix=prefix[:-1]):
            inside = any(name.startswith(f"{outer}.") for outer in attentions)
            if not inside and "Attention" in type(module).__name__:
                attentions.append(name)
            elif not inside and isinstance(module, nn.Linear | Conv1D):
                others.append((name, sizes(module)))
        for outer in attentions:
            linear = [
                name
                for name, module in model.get_submodule(outer).named_modules(prefix=outer)
                if isinstance(module, nn.Linear | Conv1D)
            ]
            if len(linear) > 1:
                found.attention.append(linear[-1])
                found.remembered.extend(name for name in linear[:-1] if not _is_query(name.rpartition(".")[2]))
        last = [name for name, (_, after) in others if after == width][-1:]
        found.feed_forward.extend(last)
        found.beginning.extend([name for name, (before, _) in others if before == width][: len(last)])
    return found


def sizes(linear: nn.Module) -> tuple[int, int]:
    """Values in and out of a linear layer; GPT-2 keeps the weights of its own transposed."""
    weight = linear.weight
    assert isinstance(weight, Tensor)
    first, second = weight.shape
    return (first, second) if isinstance(linear, Conv1D) else (second, first)


def _is_query(name: str) -> bool:
    return bool(_QUERY.fullmatch(name)) and "key" not in name
