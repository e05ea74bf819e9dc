"""Every method of tuning on two sentiments: what it reaches, and what it costs, at two rates each.

English phrases (SST-2, MiniLM 6 x 384) and Chinese reviews (ChnSentiCorp, e5_small_zh_en 12 x 384), by `danlu bakeoff`
on the sets' own test records; the same steps for all. A rate is a method's own, so each is told with both of its.
Memory is the most of the process, or of the accelerator where there is one. Prints a markdown table a set.

    .venv/bin/python benchmarks/methods.py [--data sst2] [--only lora adapter] [--records 6000] [--epochs 2] [--seeds 3]
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from danlu.trials.bakeoff import Baked, bakeoff
from measuring import HERE, machine, say, table
from task_sets import QUICK, SETS, why_absent

METHODS: dict[str, tuple[str, tuple[float, ...]]] = {
    "full": ("full", (5e-5, 2e-4)),
    "layers, top 2": ("layers:top=2", (1e-4, 5e-4)),
    "head": ("head", (2e-3, 2e-2)),
    "bitfit": ("bitfit", (5e-4, 2e-3)),
    "lora": ("lora", (5e-4, 2e-3)),
    "lora, DoRA": ("lora:dora=true", (5e-4, 2e-3)),
    "adalora": ("adalora", (1e-3, 5e-3)),
    "adapter": ("adapter", (5e-4, 2e-3)),
    "ia3": ("ia3", (2e-3, 1e-2)),
    "prefix": ("prefix", (3e-3, 2e-2)),
    "prompt, from words": ("prompt", (1e-2, 5e-2)),
    "prompt, at random": ("prompt:init=random", (1e-2, 5e-2)),
    "ptuning": ("ptuning", (2e-3, 1e-2)),
}
"""By its name in the table: a method as `--methods` takes it, and two rates."""


def recipe_of(name: str, folder: Path, asked: argparse.Namespace) -> dict[str, Any]:
    """Training and evaluation on the files of a set."""
    chosen = SETS[name]
    data, test = ({"kind": "jsonl", "path": str(folder / f"{split}.jsonl")} for split in ("train", "test"))
    train = {"epochs": asked.epochs, "batch_examples": 32, "checkpoint_seconds": 1e6, "precision": asked.precision}
    fit = {
        "kind": "train",
        "data": data,
        "model": {"kind": "pretrained", "path": str(folder / "model")},
        "task": {"kind": "classify", "max_length": asked.longest or chosen.longest, "too_long": "truncate"},
        "train": train,
    }
    return {"name": name, "stages": {"fit": fit, "test": {"kind": "evaluate", "bundle": "@fit", "data": test}}}


def cells(rate: float, baked: Baked) -> list[str]:
    """A row of the table, without the name."""
    if baked.refused or baked.value is None:
        return [f"{rate:g}", f"refused: {baked.refused}", *[""] * 5]
    assert baked.trained is not None
    assert baked.share is not None
    return [
        f"{rate:g}",
        f"{100 * baked.value:.2f} ({100 * (baked.low or 0):.2f} to {100 * (baked.high or 0):.2f})",
        f"{baked.trained / 1e6:.2f} M",
        f"{100 * baked.share:.1f} %",
        f"{(baked.added or 0) / 1e6:.1f}",
        f"{(baked.peak_bytes or 0) / 1e6:,.0f}",
        f"{baked.seconds or 0:.0f}",
    ]


def compared(name: str, asked: argparse.Namespace) -> str:
    """The table of a set."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        job = {"set": name, "folder": place, "rows": QUICK if asked.quick else asked.records}
        job |= {"most": QUICK} if asked.quick else {}
        subprocess.run([sys.executable, HERE / "task_sets.py", json.dumps(job)], check=True, stdout=sys.stderr)
        rows, metric = list[list[str]](), ""
        for told in asked.only:
            method, rates = METHODS[told]
            rates = rates if asked.rate is None else rates[asked.rate : asked.rate + 1]
            each = [f"{method}:train.rate={rate}" for rate in rates]
            found = bakeoff(recipe_of(name, folder, asked), each, (), folder / "runs", say, seeds=asked.seeds)
            metric = found.metric
            rows += [[told, *cells(rate, row)] for rate, row in zip(rates, found.rows, strict=True)]
            for row in rows[-len(rates) :]:
                say(" | ".join(row))
    heads = ["method", "rate", f"{metric} % (seeds from, to)", "trained", "of the network", "on disk, MB"]
    return f"**{SETS[name].title}**\n\n{table([*heads, 'most memory, MB', 'seconds'], rows)}\n"


def main() -> None:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=("sst2", "chnsenticorp"), default=["sst2", "chnsenticorp"])
    parser.add_argument("--only", nargs="+", choices=[*METHODS], default=[*METHODS])
    parser.add_argument("--records", type=int, default=6000, help="to train, drawn from all")
    parser.add_argument("--longest", type=int, help="tokens of a text; default: what the set needs")
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rate", type=int, choices=(0, 1), help="the first or the second rate alone")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto")
    parser.add_argument("--quick", action="store_true", help="a few records and one seed, to see that every part works")
    asked = parser.parse_args()
    if asked.quick:
        asked.seeds, asked.epochs = 1, 0.5
    begin, parts = time.monotonic(), list[str]()
    for name in asked.data:
        if absent := why_absent(name):
            say(absent)
            continue
        parts.append(compared(name, asked))
    print(f"{machine()}; {asked.seeds} seed(s), {asked.epochs:g} epochs of {asked.records:,} records\n")
    print("\n".join(parts) + f"\n{time.monotonic() - begin:.0f} s")


if __name__ == "__main__":
    main()
