"""Parameters that a task has of its own: in the model while it is trained, in the task before and afterwards.

There they are trained, averaged, kept and restored like all others, by whatever method; the network that is saved is
the plain one.
"""

from collections.abc import Mapping

from torch import Tensor, nn

NAME = "of_the_task"


def put_in(model: nn.Module, values: Mapping[str, Tensor]) -> nn.Module:
    """The model with trained parameters of these names and first values beside its own, if there are any."""
    if values:
        where = next(model.parameters()).device
        own = nn.ParameterDict({name: nn.Parameter(value.to(where, copy=True)) for name, value in values.items()})
        model.add_module(NAME, own)
    return model


def inside(model: nn.Module) -> dict[str, Tensor]:
    """What `put_in` has put into a model, as it stands now."""
    found = model._modules.get(NAME)
    return {} if found is None else dict(found.named_parameters())


def taken_out(model: nn.Module) -> dict[str, Tensor]:
    """What `put_in` has put into a model, which is the plain one afterwards."""
    found = {name: value.detach() for name, value in inside(model).items()}
    model._modules.pop(NAME, None)
    return found
