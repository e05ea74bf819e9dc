"""Logits of a language model only where they are needed.

A vocabulary of thousands makes the head dearer than the trunk; with 15 % masked positions, logits at those
alone make the whole step 1.7 to 3.5 times as fast (2 cores, 2026-11).
"""

import threading
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.model.held_back import HeldBack
from danlu.text.batching.batch import rounded_count


def unwrapped(model: nn.Module) -> PreTrainedModel:
    """The transformers model inside whatever a tuning method has wrapped around it."""
    inner: Any = model.get_base_model() if hasattr(model, "get_base_model") else model  # type: ignore[operator]
    return inner  # type: ignore[no-any-return]


def trunk(model: nn.Module) -> nn.Module:
    """The part of a model below its head: what gives hidden states."""
    inner: Any = unwrapped(model)
    return inner.get_decoder() if inner.config.is_encoder_decoder else inner.base_model  # type: ignore[no-any-return]


def kept_logits(model: nn.Module, inputs: Mapping[str, Any], keep_BT: Tensor) -> Tensor:
    """Logits (K, vocabulary) at the K positions where `keep_BT` is true, in row order.

    The kept hidden states leave the trunk as one row, and the model's own head makes logits of that row: what
    a family does there (transforms, scales, soft caps, biases) and wrappers around the model stay in force. Where
    a family goes by its trunk (OPT, the decoders of BART) the kept logits are taken from all of them. Several threads
    may ask one model.
    """
    return kept_output(model, inputs, keep_BT, "logits")[0]


def kept_output(model: nn.Module, inputs: Mapping[str, Any], keep_BT: Tensor, name: str) -> tuple[Tensor, Any]:
    """The logits of that `name` as `kept_logits` has them, and all that the model gave; others of it are whole."""
    _watch(trunk(model))
    _asked.keep_BT = keep_BT
    try:
        given = model(**inputs)
        kept = _asked.keep_BT is None
    finally:
        _asked.keep_BT = None
    logits = given[name]
    return (logits[0, : int(keep_BT.sum())] if kept else logits[keep_BT]), given


def places_wanted() -> Tensor | None:
    """The positions (B, T) at which alone the calling thread wants logits, for a model that keeps them by itself.

    Its logits are then those of these positions as one row, (1, K, V), as if its trunk had kept them.
    """
    keep_BT: Tensor | None = getattr(_asked, "keep_BT", None)
    _asked.keep_BT = None
    return keep_BT


_asked = threading.local()
"""The positions that the calling thread wants to keep; None once they are kept."""
_watching = threading.Lock()


def _watch(below: nn.Module) -> None:
    """Hook a trunk once and for good: a hook that comes and goes would meet other threads under way."""
    with _watching:
        if _keep_hidden not in below._forward_hooks.values():
            below.register_forward_hook(_keep_hidden)


def _keep_hidden(_module: nn.Module, _arguments: Any, output: Any) -> Any:
    keep_BT, hidden_BTD = getattr(_asked, "keep_BT", None), getattr(output, "last_hidden_state", None)
    if keep_BT is not None and hidden_BTD is not None and hidden_BTD.shape[:2] == keep_BT.shape:
        _asked.keep_BT = None
        kept_KD = hidden_BTD[keep_BT]
        spare = rounded_count(len(kept_KD)) - len(kept_KD)  # few shapes: see `danlu.text.batching.batch.few_shapes`
        output.last_hidden_state = nn.functional.pad(kept_KD, (0, 0, 0, spare))[None]
    return output


def cross_entropy_sum(
    logits_KV: Tensor | HeldBack, labels_K: Tensor, chunk: int = 4096, *, smoothing: float = 0.0
) -> Tensor:
    """Sum of the cross-entropy in float32, a chunk of rows at a time so that float32 logits stay small.

    Of its truth each label shares `smoothing` among all (Szegedy et al., 2016).
    """
    if isinstance(logits_KV, HeldBack):
        return logits_KV.cross_entropy(labels_K, smoothing)
    parts = [
        nn.functional.cross_entropy(part.float(), labels, reduction="sum", label_smoothing=smoothing)
        for part, labels in zip(torch.split(logits_KV, chunk), torch.split(labels_K, chunk), strict=True)
    ]
    return torch.stack(parts).sum() if parts else logits_KV.float().sum()


def cross_entropy_and_squares(
    logits_KV: Tensor | HeldBack, labels_K: Tensor, *, smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """That sum, and the sum of the squares of log Z, of what a softmax divides by, for a z-loss; float32."""
    if isinstance(logits_KV, HeldBack):
        return logits_KV.both(labels_K, smoothing)
    parts = [torch.logsumexp(part.float(), -1).square().sum() for part in torch.split(logits_KV, 4096)]
    squares = torch.stack(parts).sum() if parts else logits_KV.float().sum()
    return cross_entropy_sum(logits_KV, labels_K, smoothing=smoothing), squares
