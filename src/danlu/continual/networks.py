"""Several networks over one trunk: one a task, each with a head of its own.

They share parameters, not modules, so each is a whole model of transformers, of whatever class its task names: what is
learnt by one of them is learnt by all.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.model.heads import unwrapped
from danlu.model.own import NAME
from danlu.refusal import Refusal

OWN = "pooler"
"""What of a trunk the head alone reads, and so belongs to it; so do parameters that a task has of its own."""


class Networks(nn.Module):
    """The networks of some tasks, by name; the first of them stands for all where a trunk is asked for."""

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        """Let all of them share the trunk of the first.

        Raises:
            Refusal: the trunks of two of them differ.
        """
        super().__init__()
        self.each = nn.ModuleDict({_key(name): network for name, network in networks.items()})
        self.names = tuple(networks)
        first = _trunk_of(self.first)
        for name in self.names[1:]:
            _share(first, self.of(name), name)

    def of(self, name: str) -> nn.Module:
        """The network of a task."""
        return self.each[_key(name)]

    @property
    def first(self) -> nn.Module:
        """The network of the first task."""
        return self.of(self.names[0])

    def get_base_model(self) -> PreTrainedModel:
        """What is measured of all of them is measured of the first; see `danlu.model.heads.unwrapped`."""
        return unwrapped(self.first)

    def shared(self) -> dict[str, nn.Parameter]:
        """The parameters of the trunk, by the names that `named_parameters` gives them here; of one network, all."""
        if len(self.names) == 1:
            return dict(self.named_parameters())
        inside = {id(parameter) for parameter in _trunk_of(self.first).values()}
        return {name: parameter for name, parameter in self.named_parameters() if id(parameter) in inside}

    def train_heads(self, names: frozenset[str]) -> None:
        """Freeze the heads of all tasks but these; of these, and of the trunk, what is trained stays so."""
        shared = {id(parameter) for parameter in self.shared().values()}
        for name in self.names:
            if name not in names:
                for parameter in self.of(name).parameters():
                    if id(parameter) not in shared:
                        parameter.requires_grad = False

    @torch.no_grad()
    def fill(self, values: Mapping[str, Tensor]) -> None:
        """Copy values into the parameters of these names."""
        places = dict(self.named_parameters())
        for name, value in values.items():
            places[name].copy_(value)

    def values(self) -> dict[str, Tensor]:
        """A copy of all parameters, in float32 on the CPU."""
        return {
            name: parameter.detach().to("cpu", torch.float32, copy=True) for name, parameter in self.named_parameters()
        }


def prefix(name: str) -> str:
    """How the names of the parameters of a task's network begin."""
    return f"each.{_key(name)}."


def _key(name: str) -> str:
    return f"of {name}"  # names of tasks hold no space, so none is an attribute of torch's own


def _trunk_of(network: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters below the head, by their names within the trunk."""
    inner = unwrapped(network).base_model
    return {name: value for name, value in inner.named_parameters() if not {OWN, NAME} & {*name.split(".")}}


def _share(first: Mapping[str, nn.Parameter], network: nn.Module, name: str) -> None:
    own = _trunk_of(network)
    if {key: value.shape for key, value in own.items()} != {key: value.shape for key, value in first.items()}:
        raise Refusal(
            f"tasks.{name}: its network has another trunk than that of the first task, so they cannot share one; give "
            "tasks that a model of one architecture can do"
        )
    instead = {id(value): first[key] for key, value in own.items()}
    for module in network.modules():  # heads that are tied to the embeddings follow them
        for key, value in module._parameters.items():
            if value is not None and id(value) in instead:
                module._parameters[key] = instead[id(value)]
