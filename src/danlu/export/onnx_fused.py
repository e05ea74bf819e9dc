"""A graph with attention, norms and activations as single operations, by ONNX Runtime's own optimiser."""

import logging
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from transformers import PreTrainedConfig

from danlu.engine.engines.onnx import session_of
from danlu.export.calls import Call
from danlu.model.shape import shape_of

SAME = 1e-4
"""Numbers that differ by less, as a share of the largest, are the same."""


def fused(plain: Path, config: PreTrainedConfig, call: Call) -> Path:
    """The graph of an encoder with operations joined; the plain one where that would change what it says.

    The optimiser looks for the operations of BERT, whose kin most encoders are; of others it joins what it finds.
    """
    heads, width = (getattr(config, name, 0) for name in ("num_attention_heads", "hidden_size"))
    if shape_of(config) != "encoder" or not heads or not width:
        return plain
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    joined = FusionOptions("bert")
    joined.enable_embed_layer_norm = False  # its tables could not be kept in 8 bits, and they are no work
    path = plain.with_name("fused.onnx")
    logging.disable(logging.CRITICAL)  # it counts what it has joined, under many names
    try:
        found = optimize_model(
            str(plain), model_type="bert", num_heads=heads, hidden_size=width, optimization_options=joined
        )
        found.save_model_to_file(str(path))
        return path if _same(plain, path, call) else plain
    except Exception:  # it raises what it likes for a graph that it does not know
        return plain
    finally:
        logging.disable(logging.NOTSET)


def _same(plain: Path, path: Path, call: Call) -> bool:
    feed = {name: value.numpy() for name, value in call.inputs.items()}
    right, found = (_asked(each, feed) for each in (plain, path))
    return all(
        found[name].shape == value.shape and bool(np.abs(found[name] - value).max() <= SAME * np.abs(value).max())
        for name, value in right.items()
    )


def _asked(path: Path, feed: dict[str, Any]) -> Any:
    run, shapes = session_of(onnxruntime, path, 1)
    places = np.broadcast_to(np.arange(feed["input_ids"].shape[-1]), feed["input_ids"].shape).astype(np.int64)
    return run({name: feed.get(name, places) for name in shapes})
