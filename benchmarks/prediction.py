"""One engine that labels texts, in a process of its own: speed from text to label, and the labels.

Run with a job as json: `engine`, `bundle` (a folder), `texts` (a folder of `texts.py`), `passes`, and `onnx`, the
folder that the engine `export` fills for the engines of ONNX Runtime.
"""

import json
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

import measuring
import texts
from danlu.machine.device import cores
from exporting import EXPORTS, PEERS, Labeller, export_all, labeller, openvino_labeller
from training import LONGEST

BATCH = 32
EXPORTED = {"onnx-float32": "float32.onnx", "onnx-int8": "int8.onnx"}


def danlu_engine(job: dict[str, Any], precision: str | None, folder: str | None = None) -> list[Labeller]:
    """Danlu's own path, which sorts, batches and shares out the work by itself."""
    import danlu

    bundle = danlu.load(folder or job["bundle"], precision)
    return [lambda items: [*map(bundle.task.form.value, bundle.predict(list(items)))]]


def smaller_engine(job: dict[str, Any]) -> list[Labeller]:
    """A bundle of `smaller.py`, whose labels are those of the data's files."""
    names = {"0": "negative", "1": "positive"}
    (label,) = danlu_engine(job, None, job["smaller"])
    return [lambda items: [names.get(str(found), str(found)) for found in label(items)]]


def pipeline_engine(job: dict[str, Any], batch: int, dtype: torch.dtype) -> list[Labeller]:
    """transformers.pipeline, as its documentation has it."""
    import transformers

    made = transformers.pipeline("text-classification", model=job["bundle"], device="cpu", dtype=dtype)
    settings = {"batch_size": batch, "truncation": True, "max_length": LONGEST}
    return [lambda items: [found["label"] for found in made(list(items), **settings)]]


def onnx_engine(job: dict[str, Any], file: str) -> list[Labeller]:
    """ONNX Runtime in two layouts: one session over all cores, and a session of its own for each core."""
    layouts = [(1, cores())] + ([(cores(), 1)] if cores() > 1 else [])
    return [_onnx_labeller(job, file, sessions, threads) for sessions, threads in layouts]


def _onnx_labeller(job: dict[str, Any], file: str, sessions: int, threads: int) -> Labeller:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    path = str(Path(job["onnx"]) / file)
    opened = [onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"]) for _ in range(sessions)]
    return labeller(job["bundle"], [lambda feed, one=one: one.run(None, feed)[0] for one in opened])


def export(job: dict[str, Any]) -> dict[str, Any]:
    """Write the bundle for ONNX Runtime: its operations fused by its own optimizer, in float32 and in int8."""
    import transformers
    from onnx import TensorProto
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.transformers.optimizer import optimize_model

    folder = Path(job["onnx"])
    model = transformers.AutoModelForSequenceClassification.from_pretrained(
        job["bundle"], attn_implementation="eager", dtype=torch.float32
    ).eval()

    class Logits(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            return self.model(input_ids=input_ids, attention_mask=attention_mask).logits

    ids = torch.randint(5, 1000, (2, 16))
    mask = torch.ones_like(ids)
    mask[1, 10:] = 0
    axes = {0: "rows", 1: "tokens"}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the tracer's own: it is asked for on purpose
        torch.onnx.export(
            Logits().eval(),
            (ids, mask),
            str(folder / "plain.onnx"),
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_axes={"input_ids": axes, "attention_mask": axes, "logits": {0: "rows"}},
            opset_version=17,
            dynamo=False,
        )
    config = model.config
    fused = optimize_model(
        str(folder / "plain.onnx"),
        model_type="bert",
        num_heads=config.num_attention_heads,
        hidden_size=config.hidden_size,
    )
    fused.save_model_to_file(str(folder / EXPORTED["onnx-float32"]))
    quantize_dynamic(
        folder / EXPORTED["onnx-float32"],
        folder / EXPORTED["onnx-int8"],
        weight_type=QuantType.QInt8,
        extra_options={"DefaultTensorType": TensorProto.FLOAT},  # shapes behind fused operations are not inferred
    )
    return {"fused": fused.get_fused_operator_statistics(), **export_all(job)}


ENGINES: dict[str, Callable[[dict[str, Any]], list[Labeller]]] = {
    "pipeline-1": lambda job: pipeline_engine(job, 1, torch.float32),
    "pipeline-32": lambda job: pipeline_engine(job, BATCH, torch.float32),
    "pipeline-32-bfloat16": lambda job: pipeline_engine(job, BATCH, torch.bfloat16),
    "onnx-float32": lambda job: onnx_engine(job, EXPORTED["onnx-float32"]),
    "onnx-int8": lambda job: onnx_engine(job, EXPORTED["onnx-int8"]),
    "danlu-float32": lambda job: danlu_engine(job, "float32"),
    "danlu-bfloat16": lambda job: danlu_engine(job, "bfloat16"),
    "danlu-smaller": smaller_engine,
    **{each: lambda job, each=each: [openvino_labeller(job, each)] for each in PEERS},
    **{each: lambda job, each=each: danlu_engine(job, None, f"{job['onnx']}/{each}") for each in EXPORTS},
}


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Label all texts a few times, in the layout in which the engine is fastest, after a pass to warm up."""
    items = [record["text"] for record in texts.read(Path(job["texts"]) / "test.jsonl")]
    best: tuple[float, list[str]] = (0.0, [])
    for label in ENGINES[job["engine"]](job):
        label(items[: len(items) // 4])
        seconds, labels = [], list[str]()
        for _ in range(job["passes"]):
            begin = time.perf_counter()
            labels = label(items)
            seconds.append(time.perf_counter() - begin)
        best = max(best, (len(items) / statistics.median(seconds), labels))
    return {"samples_per_second": best[0], "labels": best[1], "peak_mib": measuring.peak_memory()}


if __name__ == "__main__":
    given = json.loads(sys.argv[1])
    print(json.dumps(export(given) if given["engine"] == "export" else measure(given)))
