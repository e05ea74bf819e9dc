"""danlu and its engines beside transformers.pipeline, ONNX Runtime and OpenVINO: from real sentences to labels, MiniLM.

Each measurement is a fresh process, the engines take turns, and tokenizing is part of the work. Every engine
runs in the setting that serves it better. Those in bfloat16 are left out where the processor has no such products.
Prints a markdown table.
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from danlu.machine.device import best_dtype
from measuring import Watch, machine, say, table
from texts import SETS, job_for, rate_for, read, why_absent

ENGINES = {
    "pipeline-1": "transformers.pipeline, float32, one by one",
    "pipeline-32": "transformers.pipeline, float32, batch 32",
    "pipeline-32-bfloat16": "transformers.pipeline, bfloat16, batch 32",
    "onnx-float32": "ONNX Runtime, float32, fused, sorted, batch 32",
    "onnx-int8": "ONNX Runtime, int8 dynamic, fused, sorted, batch 32",
    "openvino-bfloat16": "OpenVINO, bfloat16 where the processor has it, sorted, batch 32",
    "openvino-int8": "OpenVINO, int8 by NNCF, sorted, batch 32",
    "danlu-float32": "danlu, float32",
    "danlu-bfloat16": "danlu, bfloat16",
    "danlu-onnx-float32": "danlu, engine onnx, float32",
    "danlu-onnx-int8-dynamic": "danlu, engine onnx, int8 dynamic",
    "danlu-onnx-int8-static": "danlu, engine onnx, int8 static",
    "danlu-openvino-float32": "danlu, engine openvino, float32",
    "danlu-openvino-bfloat16": "danlu, engine openvino, bfloat16",
    "danlu-openvino-int8-static": "danlu, engine openvino, int8 static",
    "danlu-smaller": "danlu, a bundle that was made smaller",
}
REFERENCE, PIPELINE = "danlu-float32", "pipeline-32"
SENTENCES = 1024  # at most
QUICK_SENTENCES = 128


def prepare(watch: Watch, folder: Path, name: str, *, quick: bool) -> dict[str, Any]:
    """Texts, a trained bundle, and its ONNX files; the job that all engines get."""
    job = {"texts": str(folder), "bundle": str(folder / "bundle"), "onnx": str(folder)}
    watch.fresh("texts.py", job_for(name, folder, quick=quick, test=QUICK_SENTENCES if quick else SENTENCES))
    settings = {"side": "danlu", "batch": 32, "rate": rate_for(name, 32), "epochs": SETS[name].epochs, "seed": 0}
    watch.fresh("training.py", job | settings | {"name": "training", "precision": "auto", "keep": job["bundle"]})
    made = watch.fresh("prediction.py", job | {"name": "the export", "engine": "export"})
    refused = {engine: told["refused"] for engine, told in made.items() if isinstance(told, dict) and "refused" in told}
    for reason in refused.values():
        say(reason.replace(str(folder), "."))
    return job | {"refused": list(refused)}


def chosen(smaller: Path | None, only: Sequence[str]) -> dict[str, str]:
    """The engines that are measured on this machine: all, or `only` these and the two that others are held against."""
    fast = best_dtype() == torch.bfloat16
    out = () if fast else ("pipeline-32-bfloat16", "danlu-bfloat16", "danlu-openvino-bfloat16")
    out += () if smaller else ("danlu-smaller",)
    wanted = {*only, REFERENCE, PIPELINE} if only else ENGINES.keys()
    return {engine: title for engine, title in ENGINES.items() if engine in wanted and engine not in out}


def compare(watch: Watch, asked: argparse.Namespace, repeats: int, passes: int) -> str:
    """Measure all engines on one text set and write the section."""
    name, quick = asked.data, asked.quick
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        job = prepare(watch, folder, name, quick=quick) | {"smaller": str(asked.smaller)}
        engines = {
            each: title for each, title in chosen(asked.smaller, asked.only).items() if each not in job["refused"]
        }
        results: dict[str, list[dict[str, Any]]] = {engine: [] for engine in engines}
        records = read(folder / "test.jsonl")
        for turn in range(repeats):
            for place, (engine, title) in enumerate(engines.items()):
                found = watch.fresh("prediction.py", job | {"name": title, "engine": engine, "passes": passes})
                results[engine].append(found)
                told = f"{title}: {found['samples_per_second']:.0f} samples/s"
                say(f"[{turn * len(engines) + place + 1}/{repeats * len(engines)}] {told}")
    words = (
        f"{len(records):,} texts; medians of {repeats} processes, each the median of {passes} passes; from text to "
        "label, tokenizing included."
    )
    gold = [record["label"] for record in records]
    return f"### {SETS[name].title}\n\n{words}\n\n{_table(results, gold)}\n"


def _table(results: dict[str, list[dict[str, Any]]], gold: list[str]) -> str:
    speeds = {
        engine: statistics.median(found["samples_per_second"] for found in measured)
        for engine, measured in results.items()
    }
    reference = results[REFERENCE][0]["labels"]
    rows = [
        [
            title,
            f"{speeds[engine]:.0f}",
            f"{speeds[engine] / speeds[PIPELINE]:.2f}x",
            f"{statistics.median(found['peak_mib'] for found in results[engine]):.0f}",
            f"{_agreement(results[engine][0]['labels'], gold):.2f}",
            f"{_agreement(results[engine][0]['labels'], reference):.2f}",
        ]
        for engine, title in ENGINES.items()
        if engine in results
    ]
    header = ["", "samples/s", "against the pipeline in batches", "peak MiB", "accuracy %", "agrees with float32 %"]
    return table(header, rows)


def _agreement(labels: list[str], others: list[str]) -> float:
    return 100 * sum(one == other for one, other in zip(labels, others, strict=True)) / len(others)


def main() -> None:
    """Measure what the command line asks for and print the table."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--data", choices=list(SETS), default="sst2")
    reader.add_argument("--repeats", type=int, default=3, help="processes an engine")
    reader.add_argument("--passes", type=int, default=3, help="timed passes over the texts in each process")
    reader.add_argument(
        "--smaller", type=Path, help="a bundle that is measured too, such as what 'danlu compress' kept"
    )
    reader.add_argument("--only", nargs="+", choices=list(ENGINES), default=[], help="these engines; all")
    reader.add_argument("--quick", action="store_true", help="a small model, 128 texts, one pass: to see that it works")
    asked = reader.parse_args()
    if absent := why_absent(asked.data):
        print(absent, file=sys.stderr)
        return
    watch = Watch()
    watch.look()
    repeats, passes = (1, 1) if asked.quick else (asked.repeats, asked.passes)
    section = compare(watch, asked, repeats, passes)
    print(f"## Prediction\n\n{machine()}. {watch.verdict()}\n\n{section}")


if __name__ == "__main__":
    main()
