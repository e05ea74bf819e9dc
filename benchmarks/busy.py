"""Training and prediction beside other programs: what is left of the speed when all cores are wanted by others too.

    python benchmarks/busy.py --seconds 60

Each line runs idle and beside `--loops` busy loops in turn, in processes of their own; the loops are started here and
end by themselves. A fair share of the machine is that of the threads that compute, among all that want to. Prints a
markdown table. Nothing else may run meanwhile.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from measuring import machine, say, table

LINES = {
    "training, all cores always": {"what": "train", "fair": False},
    "training, as it is": {"what": "train", "fair": True},
    "training, all cores always, `OMP_WAIT_POLICY=passive`": {"what": "train", "fair": False, "passive": True},
    "training, `threads: 2`": {"what": "train", "fair": True, "replicas": 2},
    "prediction": {"what": "predict"},
}
LOOP = "import time\nend = time.monotonic() + {seconds}\nwhile time.monotonic() < end: pass"


@contextmanager
def load(loops: int, seconds: float) -> Iterator[None]:
    """Busy loops that end after so many seconds at the latest, whatever becomes of us."""
    started = [subprocess.Popen([sys.executable, "-c", LOOP.format(seconds=seconds)]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in started:
            process.terminate()
        for process in started:
            process.wait()


def network(sizes: dict[str, int], labels: int = 3) -> Any:
    """A classifier of MiniLM's size with random weights."""
    import transformers

    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=30522, num_labels=labels, pad_token_id=0, **sizes)
    return transformers.BertForSequenceClassification(config)


def train(job: dict[str, Any]) -> float:
    """Tokens a second of training in a window of so many seconds, what the change of cores costs included."""
    from danlu.model.fast import prepare_for_training, resolve_precision
    from danlu.model.replica import replica
    from danlu.text.batching.batch import Batch
    from danlu.train import fair
    from danlu.train.loop import steps
    from danlu.train.optimizer import build_optimizer, lay_out

    if not job["fair"]:
        fair.BUSY = -1.0
    model = prepare_for_training(network(job["sizes"]), resolve_precision("auto"))
    parameters = lay_out("adamw", model)
    moving = build_optimizer("adamw", parameters, rate=1e-4, weight_decay=0.0, betas=(0.9, 0.999), momentum=0.0)
    replicas = [model, *(replica(model) for _ in range(job.get("replicas", 1) - 1))]
    rng = np.random.default_rng(0)
    rows, width = job["rows"], job["width"]

    def groups() -> Iterator[list[Batch]]:
        while True:
            parts = np.array_split(np.arange(rows), len(replicas))
            yield [
                Batch(
                    {"input_ids": torch.from_numpy(rng.integers(1, 30522, (len(part), width)))},
                    {"label": torch.from_numpy(rng.integers(0, 3, len(part)))},
                    {"label": len(part)},
                    part,
                    len(part) * width,
                )
                for part in parts
            ]

    def loss(net: Any, batch: Batch) -> dict[str, torch.Tensor]:
        logits = net(**batch.inputs).logits.float()
        return {"label": torch.nn.functional.cross_entropy(logits, batch.targets["label"], reduction="sum")}

    tokens, begun = 0, time.perf_counter()
    for step in steps(replicas, groups(), loss, moving, parameters, rate=lambda _: 1e-4, clip=1.0):
        tokens += step.tokens
        if step.number == 0:
            tokens, begun = 0, time.perf_counter()  # the first lays out memory
        elif time.perf_counter() - begun > job["seconds"]:
            break
    return tokens / (time.perf_counter() - begun)


def predict(job: dict[str, Any]) -> float:
    """Tokens a second of prediction, in a window of so many seconds."""
    from danlu.engine.engines.torch import TorchNetwork
    from danlu.engine.predict import Predictor
    from danlu.model.fast import prepare_for_inference
    from danlu.task.task import Task
    from danlu.text.tokenizing.tokenizers.wordpiece import WordPiece

    letters = [chr(0x4E00 + number) for number in range(1000)]
    tokenizer = WordPiece(size=2000, min_frequency=1).build(lambda: iter(["".join(letters)]))
    rng = np.random.default_rng(0)
    records = [{"text": "".join(rng.choice(letters, job["width"] - 2))} for _ in range(64)]
    task = Task.model_validate({"kind": "classify", "labels": ["a", "b", "c"]})
    model = prepare_for_inference(network(job["sizes"]), "auto")
    tokens = 0
    with Predictor(TorchNetwork(model, frozen=True), task, tokenizer) as predictor:
        predictor.predict(records[:8])
        begun = time.perf_counter()
        while time.perf_counter() - begun < job["seconds"]:
            predictor.predict(records)
            tokens += len(records) * job["width"]
        return tokens / (time.perf_counter() - begun)


def measured(line: dict[str, Any], loops: int, seconds: float, options: argparse.Namespace) -> float:
    """One line, in a process of its own, beside so many loops."""
    sizes = {"num_hidden_layers": 6, "hidden_size": 384, "num_attention_heads": 12, "intermediate_size": 1536}
    if options.quick:
        sizes = {"num_hidden_layers": 2, "hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 128}
    job = {"sizes": sizes, "rows": options.rows, "width": options.width, "seconds": seconds} | line
    environment = os.environ | ({"OMP_WAIT_POLICY": "passive"} if line.get("passive") else {})
    with load(loops, 10 * seconds + 300):
        done = subprocess.run(
            [sys.executable, __file__, json.dumps(job)], capture_output=True, text=True, check=False, env=environment
        )
    if done.returncode:
        sys.exit(f"{line} ended with {done.returncode}:\n{done.stderr[-3000:]}")
    return float(done.stdout.splitlines()[-1])


def main() -> None:
    """Measure what the command line asks for and print the table."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--loops", type=int, default=7, help="busy loops; with ours they want the cores")
    reader.add_argument("--seconds", type=float, default=60, help="of each measurement")
    reader.add_argument("--repeats", type=int, default=3)
    reader.add_argument("--rows", type=int, default=16)
    reader.add_argument("--width", type=int, default=32, help="tokens a row")
    reader.add_argument("--quick", action="store_true", help="a small network: to see that it works")
    reader.add_argument("--only", help="lines whose name holds this")
    options = reader.parse_args()
    lines = {name: line for name, line in LINES.items() if not options.only or options.only in name}
    found: dict[str, dict[int, list[float]]] = {name: {0: [], options.loops: []} for name in lines}
    for turn in range(options.repeats):
        for loops in (0, options.loops):
            for name, line in lines.items():
                seconds = options.seconds if loops else min(options.seconds, 15.0)
                speed = measured(line, loops, seconds, options)
                found[name][loops].append(speed)
                say(f"[{turn + 1}/{options.repeats}] {name}, {loops} loops: {speed:,.0f} tokens/s")
    rows = []
    for name, speeds in found.items():
        idle, busy = (statistics.median(speeds[loops]) for loops in (0, options.loops))
        rows.append([name, f"{idle:,.0f}", f"{busy:,.0f}", f"{100 * busy / idle:.0f} %"])
    print(f"## Beside other programs\n\n{machine()}. {options.rows} rows of {options.width} tokens a step; medians of")
    print(f"{options.repeats} processes of {options.seconds:.0f} seconds; {options.loops} busy loops.\n")
    print(table(["tokens/s", "idle", "busy", "of it left"], rows))


if __name__ == "__main__":
    if sys.argv[1:] and sys.argv[1].startswith("{"):
        job = json.loads(sys.argv[1])
        print({"train": train, "predict": predict}[job["what"]](job))
    else:
        main()
