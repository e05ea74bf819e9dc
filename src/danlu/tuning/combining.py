"""Several of what one method has saved, made into one: their mean, or their updates side by side."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from danlu.recipe.part import Part
from danlu.refusal import Refusal
from danlu.tuning.added import stored


@dataclass(frozen=True)
class Saved:
    """What a method has saved, as one of several.

    - `name`: how people call it.
    - `method`: with the settings that it was saved with.
    - `weight`: how much it counts.
    """

    name: str
    method: Part
    folder: Path
    weight: float


def all_stored(parts: Sequence[Saved], file: str) -> tuple[list[dict[str, Tensor]], str]:
    """The tensors of each, from the file of this name, and the hash of the base that they all belong to.

    Raises:
        Refusal: a file is damaged; or tensors have other names, or belong to another base.
    """
    first, base = stored(parts[0].folder / file, parts[0].method.kind)
    found = [first]
    for part in parts[1:]:
        tensors, other = stored(part.folder / file, part.method.kind)
        if other != base:
            raise Refusal(f"'{parts[0].name}' and '{part.name}' belong to other base weights; give those of one base")
        if wrong := first.keys() ^ tensors.keys():
            raise _unlike(parts[0], part, min(wrong))
        found.append(tensors)
    return found, base


def mean(parts: Sequence[Saved], found: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """The sum of tensors of the same names, each times the weight of its part.

    Raises:
        Refusal: shapes differ, or numbers that are none to be averaged, such as counts.
    """
    summed: dict[str, Tensor] = {}
    for name, first in found[0].items():
        for part, tensors in zip(parts, found, strict=True):
            counted = not first.is_floating_point()
            if tensors[name].shape != first.shape or (counted and not torch.equal(tensors[name], first)):
                raise _unlike(parts[0], part, name)
        values = [part.weight * tensors[name].double() for part, tensors in zip(parts, found, strict=True)]
        summed[name] = torch.stack(values).sum(0).float() if first.is_floating_point() else first
    return summed


def side_by_side(
    parts: Sequence[Saved],
    found: Sequence[dict[str, Tensor]],
    along: Callable[[str], int | None],
    times: Callable[[Saved, str], float],
) -> dict[str, Tensor]:
    """Tensors joined along their ranks, the dimension that `along` tells by name; None: their mean.

    `times` tells by part and name what ranks are multiplied by.

    Raises:
        Refusal: shapes differ, but for the number of ranks.
    """
    joined: dict[str, Tensor] = {}
    for name in found[0]:
        dimension = along(name)
        if dimension is None:
            joined |= mean(parts, [{name: tensors[name]} for tensors in found])
            continue
        values = [times(part, name) * tensors[name] for part, tensors in zip(parts, found, strict=True)]
        for part, value in zip(parts, values, strict=True):
            if value.sum(dimension).shape != values[0].sum(dimension).shape:
                raise _unlike(parts[0], part, name)
        joined[name] = torch.cat(values, dimension)
    return joined


def refuse_sum(parts: Sequence[Saved], names: Sequence[str]) -> None:
    """Refuse to add up what is no update: a head, say, whose names these are."""
    if names:
        raise Refusal(
            f"'{parts[0].name}' has more than updates that can be added up ('{names[0]:.200}'); average it instead, "
            "without --sum"
        )


def _unlike(one: Saved, other: Saved, name: str) -> Refusal:
    return Refusal(
        f"'{one.name}' and '{other.name}' differ in '{name:.200}': combined are adapters of one shape, for the same "
        "layers and labels; train both with the same settings"
    )
