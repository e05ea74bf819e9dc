"""Documents that share a row: positions that begin anew in each, on both sides of an encoder-decoder.

Attention keeps them apart by what the model is called with, `segments` (B, T) and, of what a decoder writes,
`decoder_segments` (B, U): which document each token belongs to, -1 for padding (`danlu.model.attention`). Here the
places of tokens follow from the same. A family that goes by neither is found by trying (`danlu.model.probe`).

Legend: B rows, T tokens, U tokens that are written.
"""

import inspect
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from danlu.model.attention import SIDE
from danlu.model.heads import unwrapped
from danlu.model.places import let_go, place_by_hand, placed
from danlu.model.positions import first_position

SEGMENTS, WRITTEN = "segments", "decoder_segments"
_FIRST = "first_position"
_ACROSS = {"encoder_attn", "EncDecAttention", "crossattention"}
"""What families call the attention of a decoder to its encoder."""


def tell_documents_apart(model: nn.Module) -> None:
    """Let positions begin anew in each document of a row; a model that is called without segments is as ever."""
    inner = unwrapped(model)
    if not inner.config.is_encoder_decoder:
        trunk: nn.Module = inner.base_model
        if _count_anew not in trunk._forward_pre_hooks.values():
            vars(trunk)[_FIRST] = first_position(inner)
            trunk.register_forward_pre_hook(_count_anew, with_kwargs=True)
        return
    for side, hook in (("encoder", _count_read), ("decoder", _count_written)):
        half: nn.Module = getattr(inner, f"get_{side}")()
        if hook in half._forward_pre_hooks.values():
            continue
        for name, module in half.named_modules():
            across = side == "decoder" and not _ACROSS.isdisjoint(name.split("."))
            vars(module)[SIDE] = "across" if across else side
        place_by_hand(half)
        half.register_forward_pre_hook(hook, with_kwargs=True)
        half.register_forward_hook(_counted, always_call=True)


def places_in(segments_BT: Tensor) -> Tensor:
    """The place of each token in its own document, (B, T)."""
    places_T = torch.arange(segments_BT.shape[1], device=segments_BT.device)
    anew_BT = torch.ones_like(segments_BT, dtype=torch.bool)
    anew_BT[:, 1:] = segments_BT[:, 1:] != segments_BT[:, :-1]
    begins_BT = torch.where(anew_BT, places_T, 0).cummax(1).values
    return places_T - begins_BT


def _count_anew(
    trunk: PreTrainedModel, arguments: tuple[Any, ...], named: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]] | None:
    segments_BT = named.get(SEGMENTS)
    taken = "position_ids" in inspect.signature(trunk.forward).parameters
    if segments_BT is None or named.get("position_ids") is not None or not taken:
        return None
    return arguments, named | {"position_ids": places_in(segments_BT) + int(vars(trunk)[_FIRST])}


def _count_read(_half: nn.Module, _arguments: Any, named: dict[str, Any]) -> None:
    _count(named.get(SEGMENTS))


def _count_written(_half: nn.Module, _arguments: Any, named: dict[str, Any]) -> None:
    _count(named.get(WRITTEN))


def _count(segments_BT: Tensor | None) -> None:
    if segments_BT is not None:
        placed(places_in(segments_BT))


def _counted(_half: nn.Module, _arguments: Any, _output: Any) -> None:
    let_go()
