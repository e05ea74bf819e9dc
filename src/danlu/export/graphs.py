"""The graphs of a bundle's model as ONNX files: one, or of an encoder-decoder one for each side.

The decoder of two looks at what its layers have made of the source, which the encoder's graph gives once; so a step of
writing reads one token, and nothing of the source anew.

Legend: B rows, S tokens that are read, T tokens that are written, K places.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import DynamicCache, EncoderDecoderCache, PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput

from danlu.engine.graph import PAST, PLACES, PRESENT
from danlu.engine.two_graphs import CROSS, SOURCE_MASK
from danlu.export.calls import WRITTEN, Call, Tensors, call_of
from danlu.export.graph_file import (
    by_name,
    gathered,
    kept_at,
    outputs_vary,
    parts_of,
    past_varies,
    plain_copy,
    to_file,
    traced,
    without_cache,
    without_graph,
)
from danlu.export.target import Original
from danlu.model.heads import trunk
from danlu.model.places import let_go, place_by_hand, placed
from danlu.refusal import Refusal

TWO_SIDED = "AutoModelForSeq2SeqLM"

BY_NAME = {"encoder-decoder": "decoder_position_ids"}
"""Families that take the positions of what is written by this name; of others tables are asked by place, or distances
alone count."""


def write_graphs(original: Original, folder: Path, name: str, encoder: str) -> tuple[Call, list[Path]]:
    """Write the graph of a bundle's model under its `name`, as its task asks it; what writes has a past. The files.

    Of an encoder-decoder that is what its decoder does, and `encoder` what its encoder does. Each has a folder of its
    own in `folder`: weights of more than 2 GB lie beside a graph, and have the same names in both.

    Raises:
        Refusal: the model does what a graph cannot; names the operation, and the layer where that is told.
    """
    bundle = original.bundle
    call = call_of(bundle.task, bundle.model, bundle.tokenizer, bundle.network.limit)
    path, read = folder / "written" / name, folder / "read" / encoder
    for each in (path, read):
        each.parent.mkdir()
    if bundle.task.auto_class == TWO_SIDED:
        _traced(plain_copy(bundle.model), call, path, read)
        return call, [path, read]
    traced(bundle.model, call, path, writes=bundle.task.auto_class == "AutoModelForCausalLM")
    return call, [path]


def refuse_scales_of_two(original: Original, precision: str) -> None:
    """Raise `Refusal` where scales of activations would be learnt of two graphs that write together."""
    if precision == "int8_static" and original.bundle.task.auto_class == TWO_SIDED:
        raise Refusal(
            f"{original.bundle.folder}: an encoder and a decoder write together, and int8_static learns scales of a "
            "single pass; choose int8_weights"
        )


class _Encoder(nn.Module):
    """What the layers of a decoder look at of a source."""

    def __init__(self, model: PreTrainedModel) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, ids_BS: Tensor, mask_BS: Tensor) -> tuple[Tensor, ...]:
        """Keys and values of each layer; that of the decoder which makes them reads any token."""
        both = EncoderDecoderCache(DynamicCache(), DynamicCache())
        given = {"input_ids": ids_BS, "attention_mask": mask_BS, WRITTEN: ids_BS[:, :1]}
        self.model(**given, past_key_values=both, use_cache=True)
        return parts_of(both.cross_attention_cache)


class _Decoder(nn.Module):
    """A decoder beside its encoder, with its inputs in a row."""

    def __init__(self, model: PreTrainedModel, layers: int) -> None:
        super().__init__()
        self.model: Any = model
        self.layers = layers
        self.by_name = BY_NAME.get(model.config.model_type)

    def forward(
        self, ids_BT: Tensor, mask: Tensor, places_BT: Tensor, source_mask_BS: Tensor, places_BK: Tensor, *kept: Tensor
    ) -> tuple[Tensor, ...]:
        """Logits at `places_BK`, and what each layer keeps; `mask` is of all that was written, and of these tokens."""
        past, cross = DynamicCache(), DynamicCache()
        for cache, parts in ((past, kept[: 2 * self.layers]), (cross, kept[2 * self.layers :])):
            for layer in range(self.layers):
                cache.update(parts[2 * layer], parts[2 * layer + 1], layer)
        both = EncoderDecoderCache(past, cross)
        both.is_updated = dict.fromkeys(range(self.layers), True)
        unread = BaseModelOutput(last_hidden_state=source_mask_BS[..., None].to(kept[0].dtype))  # for its sizes alone
        given: dict[str, Any] = {WRITTEN: ids_BT, "decoder_attention_mask": mask, "attention_mask": source_mask_BS}
        given |= {"encoder_outputs": unread, "past_key_values": both, "use_cache": True}
        given |= {self.by_name: places_BT} if self.by_name else {}
        placed(places_BT)
        try:
            with kept_at(self.model, places_BK) as at_places:
                logits = self.model(**given).logits
        finally:
            let_go()
        return (logits if at_places else gathered(logits, places_BK), *parts_of(past))


@torch.no_grad()
def _traced(model: Any, call: Call, path: Path, encoder: Path) -> None:
    place_by_hand(trunk(model))
    ids_BS, mask_BS, ids_BT = (call.inputs[name].long() for name in ("input_ids", "attention_mask", WRITTEN))
    past, cross = _kept(model, ids_BS, mask_BS, ids_BT[:, :2])
    axes: dict[str, Mapping[int, str]] = {name: {0: "rows", 2: "source"} for name in cross}
    read = {"input_ids": ids_BS, "attention_mask": mask_BS}
    to_file(_Encoder(model), read, [*cross], axes | {name: {0: "rows", 1: "source"} for name in read}, encoder)
    rows, tokens = ids_BT.shape
    mask = torch.ones(rows, tokens + 2, dtype=torch.long)
    mask[0, 0] = 0
    inputs = {
        "input_ids": ids_BT,
        "attention_mask": mask,
        "position_ids": torch.arange(2, tokens + 2).repeat(rows, 1),
        SOURCE_MASK: mask_BS,
        PLACES: torch.tensor([[0, 1]]).repeat(rows, 1),
    }
    second = ("tokens", "all", "tokens", "source", "places")
    axes |= {name: {0: "rows", 1: size} for name, size in zip(inputs, second, strict=True)}
    axes |= outputs_vary(call) | past_varies(past)
    outputs = [*call.outputs, *(name.replace(PAST, PRESENT) for name in past)]
    to_file(_Decoder(model, len(past) // 2), inputs | past | cross, outputs, axes, path)


def _kept(model: Any, ids_BS: Tensor, mask_BS: Tensor, ids_BT: Tensor) -> tuple[Tensors, Tensors]:
    """What the layers keep of what is written, and of what is read, by name.

    Raises:
        Refusal: they keep something else than keys and values of all tokens.
    """
    both = EncoderDecoderCache(DynamicCache(), DynamicCache())
    given = {"input_ids": ids_BS, "attention_mask": mask_BS, WRITTEN: ids_BT}
    try:
        model(**given, past_key_values=both, use_cache=True)
        past, cross = by_name(both.self_attention_cache, PAST), by_name(both.cross_attention_cache, CROSS)
    except Exception as error:
        raise without_graph(model, error) from error
    if not past or past.keys() != {name.replace(CROSS, PAST) for name in cross}:
        raise without_cache(model)
    if any(value is None or value.dim() != 4 for value in (past | cross).values()):
        raise without_cache(model)
    return past, cross
