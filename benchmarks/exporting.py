"""A trained bundle in all the forms that the engines of `prediction.py` compute, and the peers among these engines.

The float32 graph that danlu exports is what OpenVINO is given as well; its int8 is learnt of training texts by NNCF.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

import texts
from danlu.export.export import export
from danlu.export.target import Target
from danlu.machine.device import best_dtype, cores
from danlu.refusal import Refusal
from training import LONGEST

Feed = dict[str, np.ndarray[Any, Any]]
Ask = Callable[[Feed], Any]
Labeller = Callable[[Sequence[str]], list[str]]

EXPORTS = {
    "danlu-onnx-float32": ("onnx", "float32"),
    "danlu-onnx-int8-dynamic": ("onnx", "int8_dynamic"),
    "danlu-onnx-int8-static": ("onnx", "int8_static"),
    "danlu-openvino-float32": ("openvino", "float32"),
    "danlu-openvino-bfloat16": ("openvino", "bfloat16"),
    "danlu-openvino-int8-static": ("openvino", "int8_static"),
}
"""Engines of danlu, each with its target and its precision."""

PEERS = {"openvino-bfloat16": "openvino.xml", "openvino-int8": "openvino-int8.xml"}
"""Engines of OpenVINO by itself, and their files."""

SHOWN = 256  # training texts of which scales are learnt
BATCH = 32


def export_all(job: dict[str, Any]) -> dict[str, Any]:
    """Export the bundle to all targets; how many answers each agrees with, and the graphs of the peers."""
    folder = Path(job["onnx"])
    shown = [{"text": record["text"]} for record in texts.read(Path(job["texts"]) / "train.jsonl")[:SHOWN]]
    found = {}
    for engine, (target, precision) in EXPORTS.items():
        if precision == "bfloat16" and best_dtype() != torch.bfloat16:
            continue
        chosen = Target.model_validate({"kind": target, "precision": precision})
        try:
            made = export(job["bundle"], folder / engine, chosen, records=shown)
        except Refusal as refusal:  # it answers otherwise, so danlu does not have it
            found[engine] = {"refused": str(refusal)}
            continue
        found[engine] = {"agreeing": made.agreeing, "asked": made.asked, "bytes": made.after}
    _peers(job, folder, [record["text"] for record in shown])
    return found


def _peers(job: dict[str, Any], folder: Path, shown: Sequence[str]) -> None:
    import nncf
    import openvino
    import transformers

    graph = openvino.Core().read_model(str(folder / "plain.onnx"))
    openvino.save_model(graph, str(folder / PEERS["openvino-bfloat16"]), compress_to_fp16=False)
    tokenizer = transformers.AutoTokenizer.from_pretrained(job["bundle"])
    feeds = [
        {name: np.array([value]) for name, value in tokenizer(text, truncation=True, max_length=LONGEST).items()}
        for text in shown
    ]
    wanted = {port.any_name for port in graph.inputs}
    learnt = nncf.Dataset([{name: feed[name] for name in wanted} for feed in feeds])
    small = nncf.quantize(graph, learnt, model_type=nncf.ModelType.TRANSFORMER, subset_size=len(feeds))
    openvino.save_model(small, str(folder / PEERS["openvino-int8"]), compress_to_fp16=False)


def labeller(bundle: str, asks: Sequence[Ask]) -> Labeller:
    """Labels texts longest first in batches of 32, so that next to nothing is padding and all of `asks` end together.

    Each of these takes token numbers and mask and gives logits, in a thread of its own.
    """
    import transformers

    tokenizer = transformers.AutoTokenizer.from_pretrained(bundle)
    names = transformers.AutoConfig.from_pretrained(bundle).id2label

    def label(items: Sequence[str]) -> list[str]:
        rows = tokenizer(list(items), truncation=True, max_length=LONGEST)["input_ids"]
        order = sorted(range(len(rows)), key=lambda row: -len(rows[row]))
        batches = iter([order[start : start + BATCH] for start in range(0, len(order), BATCH)])
        labels = [""] * len(rows)

        def work(ask: Ask) -> None:
            for batch in batches:
                ids = np.zeros((len(batch), len(rows[batch[0]])), np.int64)
                mask = np.zeros_like(ids)
                for place, row in enumerate(batch):
                    ids[place, : len(rows[row])] = rows[row]
                    mask[place, : len(rows[row])] = 1
                logits = ask({"input_ids": ids, "attention_mask": mask})
                for row, best in zip(batch, logits.argmax(-1), strict=True):
                    labels[row] = names[int(best)]

        with ThreadPoolExecutor(len(asks)) as pool:
            list(pool.map(work, asks))
        return labels

    return label


def openvino_labeller(job: dict[str, Any], engine: str) -> Labeller:
    """OpenVINO for throughput: a request and a thread for each stream.

    Not its `AsyncInferQueue`: a network that is let go of while one of its callbacks waits for Python hangs (2026.4).
    Where the processor has no bfloat16 products, OpenVINO computes float32 whatever it is asked for.
    """
    import openvino

    settings = {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_NUM_THREADS": str(cores())}
    settings["INFERENCE_PRECISION_HINT"] = "bf16" if engine == "openvino-bfloat16" else "f32"
    core = openvino.Core()
    if settings["INFERENCE_PRECISION_HINT"] == "bf16" and "BF16" not in core.get_property(
        "CPU", "OPTIMIZATION_CAPABILITIES"
    ):
        settings["INFERENCE_PRECISION_HINT"] = "f32"
    compiled = core.compile_model(str(Path(job["onnx"]) / PEERS[engine]), "CPU", settings)

    def asking(request: Any) -> Ask:
        def ask(feed: Feed) -> Any:
            request.infer(feed)
            return request.get_output_tensor(0).data

        return ask

    streams = int(compiled.get_property("OPTIMAL_NUMBER_OF_INFER_REQUESTS"))
    return labeller(job["bundle"], [asking(compiled.create_infer_request()) for _ in range(streams)])
