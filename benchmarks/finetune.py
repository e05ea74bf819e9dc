"""danlu beside transformers.Trainer: how fast, how large and how good a fine-tuning is.

Each measurement is a fresh process; the sides take turns, so that a slow minute of the machine strikes all of
them. Speed is that of whole trainings, loading and the first steps left out. Prints a markdown table.
"""

import argparse
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from measuring import Watch, machine, say, spread, table
from texts import QUICK, SETS, job_for, rate_for, why_absent

PROBED_SHARE = 0.16  # of the rows, on which the trainer's settings are chosen

BOOKS: dict[str, Any] = {
    "side": "trainer",
    "batch": 16,
    "precision": "float32",
    "attention": "sdpa",
    "grouped": False,
}


def sides_of(watch: Watch, texts: str, name: str, rows: int, epochs: int) -> dict[str, dict[str, Any]]:
    """What is compared, by its name in the table; the trainer's best settings are looked for first."""
    common = {"texts": texts, "epochs": epochs}
    probe = {"name": "the probe", "probe": True, "grouped": True, "rate": SETS[name].rate, "seed": 0}
    sample = {"epochs": 1, "rows": round(rows * PROBED_SHARE), "batches": SETS[name].batches}
    found = watch.fresh("training.py", common | probe | sample)
    for speed, settings in found["tried"]:
        say(f"probe: {' '.join(map(str, settings.values()))}: {speed:.0f} samples/s")
    best = found["best"]
    kind = "bf16" if best["precision"] == "bfloat16" else "float32"
    sides = {
        "Trainer as the books write it (float32, dynamic padding, batch 16)": BOOKS,
        f"Trainer at its best ({kind}, grouped lengths, {best['attention']}, batch {best['batch']})": best
        | {"side": "trainer", "grouped": True},
        f"danlu (precision auto, batch {best['batch']})": {
            "side": "danlu",
            "batch": best["batch"],
            "precision": "auto",
        },
    }
    return {side: common | own | {"rate": rate_for(name, own["batch"])} for side, own in sides.items()}


def compare(watch: Watch, name: str, *, quick: bool, seeds: int, repeats: int, epochs: int) -> str:
    """Measure all sides on one text set and write the section."""
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as texts:
        counts = watch.fresh("texts.py", job_for(name, Path(texts), quick=quick))
        sides = sides_of(watch, texts, name, counts["train"], epochs)
        results: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
        rounds = [{"seed": seed} for seed in range(seeds)] + [{"seed": 0, "epochs": 1}] * repeats
        for turn, change in enumerate(rounds):
            for place, (side, settings) in enumerate(sides.items()):
                found = watch.fresh("training.py", settings | change | {"name": side})
                results[side].append(found)
                told = f"{found['samples_per_second']:.0f} samples/s, accuracy {found['accuracy']:.4f}"
                say(f"[{turn * len(sides) + place + 1}/{len(rounds) * len(sides)}] {side}: {told}")
    seconds = time.monotonic() - begin
    words = (
        f"{counts['train']:,} rows to train and {counts['test']:,} to test, epochs {epochs}, rate {SETS[name].rate} "
        "for batch 16 and by the square root of the batch more for larger ones, dropout 0.1, at most 128 tokens. "
        f"Accuracy over {seeds} seed(s); speed is the median of {len(rounds)} training(s) ({seconds:.0f} s in all). "
        "Share: of the measured limit of bfloat16 matrix products, tokens without padding."
    )
    return f"### {SETS[name].title}\n\n{words}\n\n{_table(results, seeds)}\n"


def _table(results: dict[str, list[dict[str, Any]]], seeds: int) -> str:
    def median(side: str, key: str) -> float:
        return statistics.median(found[key] for found in results[side])

    own = list(results)[-1]
    rows = [
        [
            side,
            f"{median(side, 'samples_per_second'):.0f}",
            f"{median(own, 'samples_per_second') / median(side, 'samples_per_second'):.2f}x",
            f"{median(side, 'peak_mib'):.0f}",
            spread([found["accuracy"] for found in results[side][:seeds]]),
            f"{median(side, 'share_of_limit'):.0%} of {median(side, 'limit') / 1e9:.0f} GFLOP/s",
        ]
        for side in results
    ]
    return table(["", "samples/s", "danlu against it", "peak MiB", "accuracy %", "share of the limit"], rows)


def main() -> None:
    """Measure what the command line asks for and print the tables."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--data", choices=[*SETS, "all"], default="all")
    reader.add_argument("--seeds", type=int, default=3, help="trainings with which accuracy is measured, a side")
    reader.add_argument("--repeats", type=int, default=0, help="further trainings of one epoch, for speed alone")
    reader.add_argument("--epochs", type=int, help="of each training; default: what the texts need")
    reader.add_argument("--quick", action="store_true", help=f"{QUICK} rows and one seed: to see that it works")
    asked = reader.parse_args()
    seeds = 1 if asked.quick else max(1, asked.seeds)
    watch = Watch()
    watch.look()
    sections = []
    for name in SETS if asked.data == "all" else [asked.data]:
        if absent := why_absent(name):
            print(absent, file=sys.stderr)
            continue
        epochs = asked.epochs or SETS[name].epochs
        found = compare(watch, name, quick=asked.quick, seeds=seeds, repeats=asked.repeats, epochs=epochs)
        sections.append(found)
    if sections:
        print(f"## Fine-tuning\n\n{machine()}. {watch.verdict()}\n")
        print("\n".join(sections))


if __name__ == "__main__":
    main()
