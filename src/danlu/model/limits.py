"""Limits on what a configuration may describe, taken from the weights that lie beside it.

A configuration of a few bytes can ask for 10^9 layers, labels or words. Networks are made without memory (on torch's
meta device) before their weights are put in; while that goes on, every parameter, buffer and module that is registered
is counted, and one too many ends it.
"""

import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.nn.modules import module as registry

from danlu.refusal import Refusal

FRESH = 2**26
"""Elements beyond twice the stored ones that a network may have: heads, and tables of positions that are computed."""

FEW = 1000  # layers, heads and the like that cost nothing, whatever the weights are
_MODULES = 200  # modules for each stored tensor: norms, activations and dropouts have none; measured: 7 at most

_COUNTED = re.compile(r"(layer|block|stage|expert|group|label|codebook|head|hashe|depth|repeat|block_size)s?$")

_counts = threading.local()
_watched = threading.Lock()


def refuse_counts(settings: Mapping[str, Any], tensors: int, name: str) -> None:
    """Refuse a configuration with more layers, experts, heads, labels than there are tensors, before it is made.

    Raises:
        Refusal: it asks for more; names the setting.
    """
    for key, value in settings.items():
        if isinstance(value, Mapping):
            refuse_counts(value, tensors, name)
        numbers = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, int)]
        if numbers and max(numbers) > max(FEW, tensors) and _COUNTED.search(key):
            raise Refusal(
                f"{name}: config.json asks for {_short(max(numbers))} of '{key}', but the weights hold {tensors:,} "
                "tensors; the folder is damaged, copy it again"
            )


@contextmanager
def bounded(elements: int, tensors: int, name: str) -> Iterator[None]:
    """Refuse to make a network within the block that could not have these weights.

    `elements` and `tensors` are those that are stored. Networks that other threads make are not counted.

    Raises:
        Refusal: more than twice the elements and `FRESH`, or far more modules.
    """
    _watch()
    _counts.left = {"elements": 2 * elements + FRESH, "modules": FEW + _MODULES * tensors}
    _counts.name, _counts.stored = name, elements
    try:
        yield
    finally:
        _counts.left = None


def _watch() -> None:
    """Count registrations from now on; torch calls such functions for every module of the process."""
    with _watched:
        if not getattr(_watch, "done", False):
            registry.register_module_parameter_registration_hook(_count)
            registry.register_module_buffer_registration_hook(_count)
            registry.register_module_module_registration_hook(_count)
            vars(_watch)["done"] = True


def _count(owner: nn.Module, key: str, value: Any) -> None:
    left = getattr(_counts, "left", None)
    if left is None:
        return
    if isinstance(value, Tensor):
        if value.device.type == "meta":  # what takes the place of it later is no more
            left["elements"] -= value.numel()
    else:
        left["modules"] -= 1
    if min(left.values()) < 0:
        raise Refusal(
            f"{_counts.name}: config.json describes a network that is far larger than the {_counts.stored:,} numbers "
            f"of its weights (at '{type(owner).__name__}.{key}'); the folder is damaged, copy it again"
        )


def _short(number: int) -> str:
    return f"{number:,}" if number < 10**18 else "more than 10^18"
