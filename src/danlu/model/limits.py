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
LONG = 10_000  # values of a list or mapping that cost nothing
_MODULES = 200  # modules for each stored tensor: norms, activations and dropouts have none; measured: 7 at most

_COUNTED = re.compile(r"(layer|block|stage|expert|group|label|codebook|head|hashe|depth|repeat|block_size)s?$")

_NEEDED = re.compile(r"^(num_hidden_layers|num_layers|n_layers?|num_attention_heads|num_heads|n_heads?)$")

_counts = threading.local()
_watched = threading.Lock()


def refuse_counts(settings: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], name: str) -> None:
    """Refuse a configuration that cannot belong to tensors of these shapes, before it is made.

    Layers, experts, heads and labels cannot be more than there are tensors, and lists not longer than the longest.

    Raises:
        Refusal: it asks for more, or for less than none; names the setting.
    """
    most, longest = max(FEW, len(shapes)), max(LONG, *(length for shape in shapes.values() for length in shape), 0)
    for key, value in settings.items():
        if isinstance(value, Mapping):
            refuse_counts(value, shapes, name)
        numbers = [item for item in (value if isinstance(value, list) else [value]) if isinstance(item, int)]
        least = 1 if _NEEDED.search(key) else 0
        if _COUNTED.search(key) and numbers and not least <= min(numbers) <= max(numbers) <= most:
            wrong = min(numbers) if min(numbers) < least else max(numbers)
            raise Refusal(
                f"{name}: config.json asks for {_short(wrong)} of '{key}', but the weights hold {len(shapes):,} "
                "tensors; the folder is damaged, copy it again"
            )
        if isinstance(value, list | Mapping) and len(value) > longest:
            raise Refusal(
                f"{name}: config.json has {len(value):,} values of '{key}', but no tensor of the weights is as long; "
                "the folder is damaged, copy it again"
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
    return f"{number:,}" if abs(number) < 10**18 else "more than 10^18"
