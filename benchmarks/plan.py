"""What `danlu plan` foretells on this machine, held against runs: memory and time of five small trainings.

    python benchmarks/plan.py             # the table; a few minutes, on an idle machine
    python benchmarks/plan.py --only t5   # one of them

Each training has a process of its own, in which a tiny one of the same sort goes before it, so that libraries are
loaded when measuring begins. Memory is the most that the process held above that; time is that of the steps, as the
log has it. Another process foretells both, without the network for memory, and with a few of its steps for time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

STEPS = 12
WORDS = 3000
TINY = {"model.model.layers": 1, "model.model.width": 16, "model.model.heads": 2, "model.train.steps": 2}

RUNS: dict[str, dict[str, Any]] = {
    "bert": {"architecture": "bert", "layers": 4, "width": 384, "heads": 6, "task": "masked_lm", "tokens": 8192},
    "gpt2": {"architecture": "gpt2", "layers": 6, "width": 384, "heads": 6, "task": "causal_lm", "tokens": 4096},
    "llama": {"architecture": "llama", "layers": 6, "width": 512, "heads": 8, "task": "causal_lm", "tokens": 4096},
    "t5": {"architecture": "t5", "layers": 3, "width": 384, "heads": 6, "task": "translate", "tokens": 6144},
    "lora": {"architecture": "bert", "layers": 8, "width": 512, "heads": 8, "task": "classify", "tokens": 8192},
}
"""Unlike shapes: one reads, two write, one does both, and one is trained in a few of its weights."""


def text(rng: np.random.Generator, words: int) -> str:
    return " ".join(f"word{number}" for number in rng.integers(0, WORDS, words))


def write_data(folder: Path) -> None:
    rng = np.random.default_rng(0)
    with (folder / "data.jsonl").open("w", encoding="utf-8") as file:
        for _ in range(4000):
            row = {"text": text(rng, int(rng.integers(20, 120))), "translation": text(rng, int(rng.integers(20, 120)))}
            file.write(json.dumps(row | {"label": "ab"[int(rng.integers(2))]}) + "\n")


def recipe(folder: Path, name: str) -> dict[str, Any]:
    run = RUNS[name]
    sizes = {key: run[key] for key in ("architecture", "layers", "width", "heads")}
    tokenizer = {"kind": "word", "size": WORDS, "style": "decoder" if run["task"] == "causal_lm" else "encoder"}
    data = {"kind": "jsonl", "path": str(folder / "data.jsonl")}
    model = {"kind": "scratch", **sizes, "positions": 512}
    train = {"steps": STEPS, "batch_tokens": run["tokens"], "checkpoint_seconds": 1e6}
    stages: dict[str, Any] = {
        "clean": {"kind": "prepare", "data": data, "dedup": "none", "split": {"validation": 0, "test": 0}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": tokenizer},
        "model": {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": model, "train": train},
    }
    stages["model"] |= {"task": {"kind": run["task"]}, "tuning": "lora" if name == "lora" else "full"}
    return {"name": name, "stages": stages}


def foretold(folder: Path, name: str) -> dict[str, float]:
    """In a process of its own."""
    from danlu.apps.planning.planned import planned
    from danlu.stages.recipe import read

    (found,) = planned(read(recipe(folder, name)), folder / "runs")
    return {"bytes": found.held - found.memory["runtime"], "seconds": found.seconds or 0.0}


def measured(folder: Path, name: str) -> dict[str, float]:
    """In a process of its own."""
    from danlu.machine.peak import Peak
    from danlu.stages.recipe import read
    from danlu.stages.run import run
    from danlu.train.recorders.jsonl import read as read_log

    run(read(recipe(folder, name), TINY), folder / "runs", beside=True, say=lambda _: None)
    with Peak() as before:
        pass
    with Peak() as peak:
        ran = run(read(recipe(folder, name)), folder / "runs", beside=True, say=lambda _: None)
    lines = [line for line in read_log(ran["model"] / "log.jsonl") if "seconds" in line]
    return {"bytes": peak.bytes - before.bytes, "seconds": sum(line["seconds"] for line in lines)}


def in_a_process(what: str, folder: Path, name: str) -> dict[str, float]:
    command = [sys.executable, __file__, "--within", what, str(folder), name]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=RUNS)
    parser.add_argument("--within", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.within:
        what, folder, name = options.within
        print(json.dumps({"foretold": foretold, "measured": measured}[what](Path(folder), name)))
        return
    print("| run | GB foretold | GB measured | off | s foretold | s measured | off |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_data(folder)
        for name in [options.only] if options.only else RUNS:
            told, was = (in_a_process(what, folder, name) for what in ("foretold", "measured"))
            off = {key: told[key] / was[key] - 1 for key in was}
            print(
                f"| {name} | {told['bytes'] / 1e9:.2f} | {was['bytes'] / 1e9:.2f} | {off['bytes']:+.0%} "
                f"| {told['seconds']:.1f} | {was['seconds']:.1f} | {off['seconds']:+.0%} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
