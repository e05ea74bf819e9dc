"""A network of smaller sizes, made of what is left of another one's weights."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import torch
from torch import Tensor
from transformers import PreTrainedConfig, PreTrainedModel

Model = TypeVar("Model", bound=PreTrainedModel)

Kept = Mapping[str, Mapping[int, Sequence[int]]]
"""By the name of a tensor, and by its dimension: which places of it are left, in order."""


def smaller(
    model: Model, settings: Mapping[str, Any], kept: Kept, renamed: Mapping[str, str | None] | None = None
) -> Model:
    """A network with other `settings`, of whose tensors only what is `kept` is left; the given one stays as it is.

    `renamed` are tensors that have another name there, or (None) are gone.
    """
    config = _changed(model, settings)
    with torch.random.fork_rng():
        made: Model = type(model)(config)
    left = dict[str, Tensor]()
    for name, value in model.state_dict().items():
        other = (renamed or {}).get(name, name)
        if other is not None:
            left[other] = _taken(value, kept.get(name, {}))
    made.load_state_dict(left, strict=True)
    made.tie_weights()
    if getattr(model, "generation_config", None) is not None:
        made.generation_config = copy.deepcopy(model.generation_config)
    made.name_or_path = model.name_or_path
    made.train(mode=model.training)
    return made


def shrinking(model: PreTrainedModel, settings: Mapping[str, Any]) -> dict[str, list[int]]:
    """The tensors that are smaller where a network has other `settings`, by their names, with the sides that are."""
    with torch.random.fork_rng(), torch.device("meta"):
        made = type(model)(_changed(model, settings))
    before = {name: value.shape for name, value in model.state_dict().items()}
    found = {}
    for name, value in made.state_dict().items():
        sides = [side for side, (old, new) in enumerate(zip(before[name], value.shape, strict=True)) if old != new]
        if sides:
            found[name] = sides
    return found


def _changed(model: PreTrainedModel, settings: Mapping[str, Any]) -> PreTrainedConfig:
    config: PreTrainedConfig = copy.deepcopy(model.config)
    for name, value in settings.items():
        setattr(config, name, value)
    return config


def _taken(value: Tensor, kept: Mapping[int, Sequence[int]]) -> Tensor:
    for dimension, places in kept.items():
        value = value.index_select(dimension, torch.tensor(list(places), dtype=torch.long, device=value.device))
    return value


def others(count: int, gone: Sequence[int]) -> list[int]:
    """The places of `count` that are not gone."""
    lost = set(gone)
    return [place for place in range(count) if place not in lost]
