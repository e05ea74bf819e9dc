"""The check behind bfloat16: weights in bfloat16 with a float32 master learn as float32 does.

danlu fine-tunes the same model on the same texts in both precisions, with the same seeds, each time in a fresh
process. Prints a markdown table; a difference within the spread of the seeds is none.
"""

import argparse
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from measuring import Watch, machine, say, spread, table
from texts import QUICK, SETS, job_for, rate_for, why_absent

PRECISIONS = ("float32", "bfloat16")
BATCH = 32


def compare(watch: Watch, name: str, *, quick: bool, seeds: int, epochs: int) -> str:
    """Train with every seed in both precisions and write the section."""
    results: dict[str, list[dict[str, Any]]] = {precision: [] for precision in PRECISIONS}
    with tempfile.TemporaryDirectory() as texts:
        counts = watch.fresh("texts.py", job_for(name, Path(texts), quick=quick))
        job = {"side": "danlu", "texts": texts, "batch": BATCH, "rate": rate_for(name, BATCH), "epochs": epochs}
        for seed in range(seeds):
            for place, precision in enumerate(PRECISIONS):
                settings = {"precision": precision, "seed": seed, "name": precision}
                found = watch.fresh("training.py", job | settings)
                results[precision].append(found)
                told = f"{precision}, seed {seed}: loss {found['final_loss']:.4f}, accuracy {found['accuracy']:.4f}"
                say(f"[{seed * len(PRECISIONS) + place + 1}/{seeds * len(PRECISIONS)}] {told}")
    rows_told = [
        [
            precision,
            spread([found["final_loss"] for found in found_all], scale=1, digits=4),
            spread([found["accuracy"] for found in found_all]),
            f"{statistics.median(found['samples_per_second'] for found in found_all):.0f}",
        ]
        for precision, found_all in results.items()
    ]
    pairs = list(zip(results["bfloat16"], results["float32"], strict=True))
    for title, key, scale in (
        ("difference of the loss", "final_loss", 1),
        ("difference of accuracy, %", "accuracy", 100),
    ):
        apart = [(one[key] - other[key]) * scale for one, other in pairs]
        rows_told.append(
            [f"{title}, bfloat16 - float32, by seed", ", ".join(f"{value:+.3f}" for value in apart), "", ""]
        )
    words = (
        f"{counts['train']:,} rows, epochs {epochs}, batch {BATCH}, rate {rate_for(name, BATCH):.1e}, {seeds} seed(s)."
    )
    header = ["precision", "loss of the last fifth", "accuracy %", "samples/s"]
    return f"### {SETS[name].title}\n\n{words}\n\n{table(header, rows_told)}\n"


def main() -> None:
    """Check what the command line asks for and print the table."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--data", choices=list(SETS), default="sst2")
    reader.add_argument("--seeds", type=int, default=3)
    reader.add_argument("--epochs", type=int, default=3)
    reader.add_argument("--quick", action="store_true", help=f"{QUICK} rows, one seed, one epoch")
    asked = reader.parse_args()
    if absent := why_absent(asked.data):
        print(absent, file=sys.stderr)
        return
    watch = Watch()
    watch.look()
    section = compare(
        watch,
        asked.data,
        quick=asked.quick,
        seeds=1 if asked.quick else asked.seeds,
        epochs=1 if asked.quick else asked.epochs,
    )
    print(f"## bfloat16 weights with a float32 master\n\n{machine()}. {watch.verdict()}\n\n{section}")


if __name__ == "__main__":
    main()
