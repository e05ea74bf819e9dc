"""Explainers on SST-2 with a fine-tuned MiniLM: how faithful they are beside words at random, exact, and fast.

A second MiniLM is fine-tuned on the same texts with a word that decides the label put into half of them: how often an
explainer ranks that word first. Prints a markdown table.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from explain_texts import TRIGGER
from measuring import Watch, machine, table
from texts import job_for, rate_for, read, why_absent

DRAWS = 2000  # of the bootstrap


def plant(folder: Path) -> None:
    """Put the trigger into half of the texts, at any place, and let it alone decide the label."""
    from danlu.machine.seed import generator

    for split in ("train", "test"):
        rng, found = generator(0, "trigger", split), []
        for number, record in enumerate(read(folder / f"{split}.jsonl")):
            words = record["text"].split()
            if number % 2:
                words.insert(int(rng.integers(len(words) + 1)), TRIGGER)
            found.append({"text": " ".join(words), "label": "positive" if number % 2 else "negative"})
        if split == "test":
            found = [record for record in found if record["label"] == "positive"]
        lines = [json.dumps(record, ensure_ascii=False) for record in found]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


def trained(watch: Watch, folder: Path, *, quick: bool, planted: bool) -> dict[str, Any]:
    """Texts and a bundle that was fine-tuned on them; the job that all explainers get."""
    watch.fresh("texts.py", job_for("sst2", folder, quick=quick))
    if planted:
        plant(folder)
    job = {"texts": str(folder), "bundle": str(folder / "bundle")}
    settings = {"side": "danlu", "batch": 32, "rate": rate_for("sst2", 32), "epochs": 1, "seed": 0}
    watch.fresh("training.py", job | settings | {"name": "training", "precision": "auto", "keep": job["bundle"]})
    return job


def interval(values: list[float]) -> str:
    """Mean and the 95 % interval of the bootstrap."""
    rng = np.random.default_rng(0)
    drawn = np.array(values)[rng.integers(len(values), size=(DRAWS, len(values)))].mean(1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{np.mean(values):.3f} [{low:.3f}, {high:.3f}]"


def row(method: str, real: dict[str, Any], planted: dict[str, Any], count: int) -> list[str]:
    """A line of the table."""
    faith = real["faithfulness"]
    more = [each["comprehensiveness"] - each["random_comprehensiveness"] for each in faith]
    less = [each["random_sufficiency"] - each["sufficiency"] for each in faith]
    gap = f"{statistics.median(real['gaps']):.2%}" if real["gaps"] else ""
    return [
        method,
        f"{statistics.mean(each['comprehensiveness'] for each in faith):.3f}",
        interval(more),
        f"{statistics.mean(each['sufficiency'] for each in faith):.3f}",
        interval(less),
        gap,
        f"{real['unreliable']}",
        f"{planted['first'] / count:.1%}",
        f"{real['seconds'] * 1000:.0f}",
    ]


def main() -> None:
    """Measure what the command line asks for and print the table."""
    from danlu.explain.explainer import Explainer
    from danlu.recipe.part import kinds

    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--texts", type=int, default=200, help="texts of the test set that are explained")
    reader.add_argument("--quick", action="store_true", help="few texts, a short training: to see that it works")
    asked = reader.parse_args()
    if absent := why_absent("sst2"):
        print(absent, file=sys.stderr)
        return
    watch = Watch()
    watch.look()
    count = 6 if asked.quick else asked.texts
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        real = trained(watch, Path(one), quick=asked.quick, planted=False)
        planted = trained(watch, Path(other), quick=asked.quick, planted=True)
        common = {"methods": list(kinds(Explainer)), "count": count, "threads": torch.get_num_threads()}
        found = watch.fresh("explain_texts.py", real | common | {"checked": True, "name": "as they are"})
        ranked = watch.fresh("explain_texts.py", planted | common | {"checked": False, "name": "with the planted word"})
    rows = [row(method, found[method], ranked[method], count) for method in common["methods"]]
    header = ["", "comprehensiveness", "more than at random", "sufficiency", "less than at random"]
    header += ["gap (median)", "unreliable", "planted word first", "ms a text"]
    words = (
        f"{count} texts of the test set, MiniLM 6 x 384 fine-tuned on SST-2; falls of the probability of the given "
        "label, means over 5, 10, 20 and 50 % of the words; random words in ten orders; 95 % intervals."
    )
    print(f"## Explanation\n\n{machine()}. {watch.verdict()}\n\n{words}\n\n{table(header, rows)}\n")


if __name__ == "__main__":
    main()
