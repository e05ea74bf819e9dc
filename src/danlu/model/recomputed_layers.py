"""Layers that keep their inputs alone and are computed anew on the way back (Chen et al., 2016)."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers import Cache
from transformers.modeling_layers import GradientCheckpointingLayer

from danlu.model.dropout import drawn_as_now
from danlu.model.heads import unwrapped
from danlu.model.recomputed import contexts
from danlu.refusal import Refusal


def recompute_layers(model: nn.Module) -> None:
    """Let a model keep the inputs alone of its layers while it learns, and compute each anew on the way back.

    Loss and gradients have the same bits, dropout included. A step takes about a third longer.

    Raises:
        Refusal: the layers of this family are none that transformers can compute anew.
    """
    layers = _layers(model)
    if not layers:
        raise Refusal(
            f"train.recompute: models of the family '{unwrapped(model).config.model_type}' have no layers that can be "
            "computed anew; leave it out, and lower train.batch_tokens instead"
        )
    logging.getLogger(GradientCheckpointingLayer.__module__).setLevel(
        logging.ERROR
    )  # it tells that caches are left out
    for layer in layers:
        layer._gradient_checkpointing_func = _anew
        layer.gradient_checkpointing = True


@contextmanager
def layers_kept(model: nn.Module) -> Iterator[None]:
    """For a while nothing is computed anew."""
    layers = [layer for layer in _layers(model) if layer.gradient_checkpointing]
    for layer in layers:
        layer.gradient_checkpointing = False
    try:
        yield
    finally:
        for layer in layers:
            layer.gradient_checkpointing = True


def recomputes(model: nn.Module) -> bool:
    """Whether some of its layers are computed anew."""
    return any(layer.gradient_checkpointing for layer in _layers(model))


def _layers(model: nn.Module) -> list[Any]:
    return [module for module in model.modules() if isinstance(module, GradientCheckpointingLayer)]


def _anew(compute: Callable[..., Any], *arguments: Any) -> Any:
    """What a layer computes; a cache, of which nothing is read while a model learns, would be written to twice."""
    given = [None if isinstance(argument, Cache) else argument for argument in arguments]
    both = partial(contexts, drawn_as_now())
    return checkpoint(compute, *given, use_reentrant=False, context_fn=both)
