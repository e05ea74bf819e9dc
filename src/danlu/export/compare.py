"""Does what was exported say what the original says, in batches of many sizes, and when it writes?"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from danlu.engine.graph_network import GraphNetwork
from danlu.engine.two_graphs import reader_of
from danlu.export.calls import WRITTEN, Call, Tensors, tries
from danlu.export.target import Original
from danlu.machine.seed import drawn
from danlu.model.positions import text_config
from danlu.model.reader import Whole
from danlu.model.readers import reads_right
from danlu.refusal import Refusal
from danlu.text.tokenizing.special import padding_id

Ask = Callable[[Tensors], Any]


@torch.inference_mode()
def furthest(original: Original, model: nn.Module, call: Call) -> tuple[float, str]:
    """The largest difference of what two models say, over 1, 3 and 8 rows, short, of middle length and longest.

    Of what is larger than 1 it is relative. Also where it was found. Padding is left out, of which nothing is read.
    """
    bundle = original.bundle
    records = [bundle.task.tried(), *drawn(original.records, 64, 0, "compare")]
    found = (0.0, "nowhere")
    for inputs in tries(call, bundle.tokenizer, records, bundle.task, bundle.network.limit):
        one, other = _said(bundle.model, inputs, call), _said(model, inputs, call)
        rows, tokens = inputs["input_ids"].shape[0], inputs["input_ids"].shape[-1]
        masked = "attention_mask" in inputs and WRITTEN not in inputs  # of what is written nothing is padding
        seen_BT = inputs["attention_mask"].reshape(rows, tokens) > 0 if masked else None
        for name, right in one.items():
            value = other[name].float()
            if value.shape != right.shape or not value.isfinite().all():
                return float("inf"), f"'{name}' of {rows} rows of {tokens} tokens"
            apart = (value - right).abs() / right.abs().clamp(min=1)
            if seen_BT is not None and apart.shape[:2] == seen_BT.shape:
                apart = apart[seen_BT]
            found = max(found, (float(apart.max()), f"'{name}' of {rows} rows of {tokens} tokens"))
    return found


def _said(model: nn.Module, inputs: Tensors, call: Call) -> Tensors:
    said = model(**inputs)
    return {name: said[name].float() for name in call.outputs}


def refuse_other_writing(original: Original, network: GraphNetwork, place: Path) -> None:
    """Raise `Refusal` where texts would be written with other logits than by reading each from its beginning."""
    bundle = original.bundle
    graph, padding = network.model, padding_id(bundle.tokenizer)
    vocabulary = int(text_config(bundle.model).vocab_size)
    if not reads_right(bundle.model, reader_of(graph, padding), Whole(bundle.model, padding), vocabulary):
        raise Refusal(
            f"{place}: the graph keeps what it has read otherwise than the family '{graph.config.model_type}' does, so "
            "it would write other texts; keep the bundle, which torch computes"
        )
