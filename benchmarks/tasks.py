"""danlu beside transformers.Trainer and a classical baseline on labels, numbers, entities, relations and answers.

The same weights, rows, epochs, batches and rates; each measurement is a fresh process, and the sides take turns. Speed
is that of whole trainings, loading and the first steps left out. Prints markdown tables.
"""

import argparse
import statistics
import sys
import tempfile
from typing import Any

import torch

from danlu.machine.device import best_dtype
from measuring import Watch, machine, say, spread, table
from task_sets import QUICK, SETS, why_absent

ERRORS = ("mse", "mae")  # in the unit of what is said, the smaller the better


def sides_of(name: str) -> dict[str, dict[str, Any]]:
    """What is compared, by its name in the table."""
    chosen = SETS[name]
    common = {"task": chosen.task, "longest": chosen.longest, "rate": chosen.rate, "batch": chosen.batch}
    half = torch.cuda.is_available() or best_dtype() == torch.bfloat16
    precision = "bfloat16" if half else "float32"
    trainer = common | {"side": "trainer", "attention": "sdpa", "precision": precision, "grouped": True}
    peer = {f"Trainer at its best ({precision}, grouped lengths)": trainer} if chosen.peer else {}
    own = {"side": "danlu", "precision": "auto", "more": dict(chosen.more)}
    return peer | {"danlu (precision auto)": common | own}


def compare(watch: Watch, name: str, *, quick: bool, seeds: int, epochs: int | None, rows: int | None) -> str:
    """Measure all sides on one section and write it."""
    chosen = SETS[name]
    epochs = epochs or (1 if quick else chosen.epochs)
    sides = sides_of(name)
    with tempfile.TemporaryDirectory() as texts:
        job = {
            "set": name,
            "folder": texts,
            "rows": rows or (QUICK if quick else None),
            **({"most": QUICK} if quick else {}),
        }
        counts = watch.fresh("task_sets.py", job)
        common = {"texts": texts, "epochs": epochs}
        classical = watch.fresh("task_training.py", common | {"side": "baseline", "task": chosen.task})
        results: dict[str, list[dict[str, Any]]] = {side: [] for side in sides}
        for seed in range(seeds):
            for side, settings in sides.items():
                found = watch.fresh("task_training.py", common | settings | {"seed": seed, "name": side})
                results[side].append(found)
                told = ", ".join(f"{metric} {value:.4f}" for metric, value in found["scores"].items())
                say(f"{name}, seed {seed}, {side}: {found['samples_per_second']:.1f} records/s, {told}")
    words = (
        f"{counts['train']:,} records to train and {counts['test']:,} to test, epochs {epochs}, rate {chosen.rate}, "
        f"batch {chosen.batch}, at most {chosen.longest} tokens a row, {seeds} seed(s)."
    )
    return f"### {chosen.title}\n\n{words}\n\n{_table(results, classical)}\n"


def _table(results: dict[str, list[dict[str, Any]]], classical: dict[str, Any]) -> str:
    metrics = list(classical["scores"])
    scales = {metric: 1 if metric in ERRORS else 100 for metric in metrics}

    def speed(side: str) -> float:
        return statistics.median(found["samples_per_second"] for found in results[side])

    own = list(results)[-1]
    simple = [spread([classical["scores"][metric]], scales[metric]) for metric in metrics]
    rows = [["classical baseline", *simple, "", "", ""]]
    for side, found in results.items():
        scores = [spread([each["scores"][metric] for each in found], scales[metric]) for metric in metrics]
        peak = statistics.median(each["peak_mib"] for each in found)
        rows.append([side, *scores, f"{speed(side):.1f}", f"{speed(own) / speed(side):.2f}x", f"{peak:.0f}"])
    named = [metric if metric in ERRORS else f"{metric} %" for metric in metrics]
    return table(["", *named, "records/s", "danlu against it", "peak MiB"], rows)


def main() -> None:
    """Measure what the command line asks for and print the tables."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--data", nargs="*", choices=[*SETS], default=[*SETS])
    reader.add_argument("--seeds", type=int, default=3, help="trainings a side")
    reader.add_argument("--epochs", type=int, help="of each training; default: what the data need")
    reader.add_argument("--rows", type=int, help="records to train, drawn from all")
    reader.add_argument("--quick", action="store_true", help=f"{QUICK} records, one seed: to see that it works")
    asked = reader.parse_args()
    watch = Watch()
    watch.look()
    sections = []
    for name in asked.data:
        if absent := why_absent(name):
            print(absent, file=sys.stderr)
            continue
        seeds = 1 if asked.quick else max(1, asked.seeds)
        sections.append(compare(watch, name, quick=asked.quick, seeds=seeds, epochs=asked.epochs, rows=asked.rows))
    if sections:
        print(f"## Fine-tuning\n\n{machine()}. {watch.verdict()}\n")
        print("\n".join(sections))


if __name__ == "__main__":
    main()
