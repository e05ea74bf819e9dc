"""Small modules that stand at layers of a model and change what these take or give; nothing is wrapped or renamed."""

from collections.abc import Callable
from typing import Any

from torch import nn

Hook = Callable[..., Any]


def put_at(
    layer: nn.Module, name: str, added: nn.Module, *, before: Hook | None = None, after: Hook | None = None
) -> None:
    """Let `layer` have `added` as its child, and call hooks, which copies of the model call too.

    Hooks are functions of a file; `before` is called with the keywords as well.
    """
    layer.add_module(name, added)
    if before is not None:
        layer.register_forward_pre_hook(before, with_kwargs=True)
    if after is not None:
        layer.register_forward_hook(after)


def taken_from(model: nn.Module, name: str, *hooks: Hook) -> list[tuple[nn.Module, nn.Module]]:
    """Take out again what `put_at` has put there under this name; each layer, and what stood at it."""
    found = [(layer, added) for layer in model.modules() for key, added in layer.named_children() if key == name]
    for layer, _ in found:
        delattr(layer, name)
    for module in model.modules():
        for kept in (module._forward_hooks, module._forward_pre_hooks):
            for number in [number for number, hook in kept.items() if hook in hooks]:
                del kept[number]
                module._forward_pre_hooks_with_kwargs.pop(number, None)
                module._forward_hooks_always_called.pop(number, None)
    return found
