"""Networks that learn beside another one: inside it while it is trained, on their own afterwards.

There they are trained, averaged, kept, restored and copied for each core like all that it has, by whatever method.
"""

from collections.abc import Mapping

from torch import nn

from danlu.model.heads import unwrapped

NAME = "learners"


def put_beside(model: nn.Module, networks: Mapping[str, nn.Module]) -> nn.Module:
    """The model with networks of these names inside it, if there are any."""
    if networks:
        model.add_module(NAME, nn.ModuleDict(dict(networks)))
    return model


def beside(model: nn.Module) -> dict[str, nn.Module]:
    """What `put_beside` has put into a model, as it stands now."""
    found = model._modules.get(NAME)
    return {} if found is None else dict(found.named_children())


def taken_apart(model: nn.Module) -> dict[str, nn.Module]:
    """What `put_beside` has put into a model, which is the plain one afterwards."""
    found = beside(model)
    model._modules.pop(NAME, None)
    return found


def share_tables(model: nn.Module, network: nn.Module) -> tuple[int, int]:
    """Let `network` read by the tables of embeddings of `model`, where theirs have the same names and shapes.

    How many it shares now, of how many that it has.
    """
    known = {name: each for name, each in unwrapped(model).base_model.named_modules() if isinstance(each, nn.Embedding)}
    inner, shared = unwrapped(network), 0
    own = {name: each for name, each in inner.base_model.named_modules() if isinstance(each, nn.Embedding)}
    for name, table in own.items():
        if name in known and known[name].weight.shape == table.weight.shape:
            table.weight = known[name].weight
            shared += 1
    inner.tie_weights()  # a head that answers with the table follows it
    return shared, len(own)
