"""The layers of any network, from its embeddings up to its head, found by how transformers lays them out."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from torch import nn
from transformers import PreTrainedModel

from danlu.refusal import Refusal
from danlu.tuning.group import Group
from danlu.tuning.head import has_parameters


@dataclass(frozen=True)
class Layers:
    """Names of the parameters of a network, from its embeddings up to its head.

    - `below`: of the embeddings, and of a head that shares their table.
    - `blocks`: of each block, as the text goes through them.
    - `above`: of all above the blocks.
    """

    below: list[str]
    blocks: list[list[str]]
    above: list[str]

    def in_order(self) -> list[list[str]]:
        """From the embeddings up; a layer without parameters of its own is left out."""
        return [names for names in (self.below, *self.blocks, self.above) if names]


def layers(model: PreTrainedModel) -> Layers:
    """The parameters of each layer: the embeddings, block by block as the text goes, and all above them.

    Blocks are the entries of the outermost lists of modules in the trunk; an encoder's lie below its decoder's. What
    stands between two blocks belongs to the one below; a head that shares the table of the embeddings leaves it to
    them.

    Raises:
        Refusal: the network has no blocks.
    """
    blocks = blocks_of(model)
    trunk: nn.Module = model.base_model
    tables = {id(table.weight) for table in trunk.modules() if isinstance(table, nn.Embedding)}
    inside = "" if trunk is model else f"{model.base_model_prefix}."
    found: list[list[str]] = [[] for _ in range(max(blocks.values()) + 3)]
    reached = 0
    for name, parameter in model.named_parameters():
        number = next((number for prefix, number in blocks.items() if name.startswith(prefix)), None)
        if number is not None:
            reached = number + 1
            found[reached].append(name)
        elif id(parameter) in tables or (name.startswith(inside) and (reached == 0 or "embed" in name)):
            found[0].append(name)
        elif not name.startswith(inside):
            found[-1].append(name)
        else:
            found[-1 if reached == len(found) - 2 else reached].append(name)
    return Layers(found[0], found[1:-1], found[-1])


def rates(found: Sequence[Sequence[str]], decay: float, apart: float = 0.0) -> list[Group]:
    """A group for each of some layers, which come from the bottom up.

    Each moves at `decay` times the rate of the one above, and begins `apart` steps later.
    """
    return [
        Group(frozenset(names), partial(_factor, decay**depth, depth * apart))
        for depth, names in enumerate(reversed(found))
    ]


def _factor(rate: float, start: float, step: int) -> float:
    return rate if step >= start else 0.0


def blocks_of(model: PreTrainedModel) -> dict[str, int]:
    """The prefix of the names of each block's parameters, and its number from the bottom.

    Raises:
        Refusal: the network has none.
    """
    trunk: nn.Module = model.base_model
    start = "" if trunk is model else f"{model.base_model_prefix}."
    lists: list[tuple[str, nn.ModuleList]] = []
    for name, module in trunk.named_modules():
        aside = "embed" in name or any(name.startswith(f"{outer}.") for outer, _ in lists)
        if isinstance(module, nn.ModuleList) and not aside and all(has_parameters(child) for child in module):
            lists.append((name, module))
    numbers: dict[str, int] = {}
    first = 0
    for place, (name, module) in enumerate(lists):
        beside = place and _side_by_side(lists[place - 1], (name, module))
        first = first - len(module) if beside else first
        numbers |= {f"{start}{name}.{i}.": first + i for i in range(len(module))}
        first += len(module)
    if not numbers:
        raise Refusal(
            f"models of the family '{model.config.model_type}' do not tell their layers, which this tuning goes by; "
            "use full without 'layer_decay' and 'unfreeze', or lora"
        )
    return numbers


def _side_by_side(one: tuple[str, nn.ModuleList], other: tuple[str, nn.ModuleList]) -> bool:
    """Whether two lists hold parts of the same blocks, as XLM's attentions and feed-forward layers do."""
    parents = {name.rpartition(".")[0] for name, _ in (one, other)}
    return len(parents) == 1 and len(one[1]) == len(other[1])
