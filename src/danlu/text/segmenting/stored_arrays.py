"""Arrays of a learnt model that were read from a file: of the right kind and shape, and numbers that can be used."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

KINDS = {"i": "iu", "f": "f"}


def fitting(
    arrays: Mapping[str, NDArray[np.generic]], shapes: Mapping[str, str], sizes: Mapping[str, int] | None = None
) -> dict[str, NDArray[Any]]:
    """The arrays that `shapes` names, which are as it says.

    A shape is written as `"f K 8"`: i for whole numbers, f for others, then the length of each dimension, as a number
    or as a letter that stands for the same length everywhere; `sizes` gives letters that are known.

    Raises:
        ValueError: an array is missing, or of another kind or shape, or holds what is no number.
    """
    known = dict(sizes or {})
    found: dict[str, NDArray[Any]] = {}
    for name, written in shapes.items():
        kind, *lengths = written.split()
        if name not in arrays:
            raise ValueError(f"the array '{name}' is missing")
        array = arrays[name]
        fits = array.dtype.kind in KINDS[kind] and array.ndim == len(lengths)
        for length, here in zip(lengths, array.shape, strict=False):
            fits = fits and here == (int(length) if length.isdigit() else known.setdefault(length, here))
        if not fits:
            raise ValueError(f"the array '{name}' is of the type {array.dtype} and the shape {array.shape}")
        if kind == "f" and (np.isnan(array).any() or (array == np.inf).any()):
            raise ValueError(f"the array '{name}' holds what is no number")
        found[name] = array
    return found


def within(name: str, array: NDArray[Any], low: int, high: int) -> None:
    """Refuse whole numbers that point outside of `low` to `high`, exclusive, with a `ValueError`."""
    if len(array) and not (int(array.min()) >= low and int(array.max()) < high):
        raise ValueError(f"the array '{name}' points outside of the model")


def ascending(name: str, array: NDArray[Any]) -> None:
    """Refuse numbers that do not ascend, among which nothing is found, with a `ValueError`."""
    if not (array[1:] > array[:-1]).all():
        raise ValueError(f"the array '{name}' is not in order")
