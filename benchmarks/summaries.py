"""Summaries from scratch: the first line of a docstring of the standard library, from all that stands below it.

The files of the Python that runs this are read where they lie (PSF licence) and split by file; nothing is copied.
Beside it stands the first sentence of what is read (lead-1). Prints a markdown table and some summaries.

    .venv/bin/python benchmarks/summaries.py [--epochs 8] [--seeds 3]
"""

import argparse
import ast
import json
import sys
import sysconfig
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

import danlu
from measuring import machine, say, spread, table

OUTSIDE = {"site-packages", "lib2to3", "__pycache__"}
SHORTEST, LONGEST = 40, 600  # characters of what is read
SHOWN = 6


def pairs() -> list[list[dict[str, str]]]:
    """The documented functions and classes of each file, in an order that the file system does not decide."""
    root = Path(sysconfig.get_path("stdlib"))
    found = []
    for path in sorted(path for path in root.rglob("*.py") if not OUTSIDE & set(path.relative_to(root).parts)):
        try:
            with warnings.catch_warnings(action="ignore"):
                tree = ast.parse(path.read_text(encoding="utf-8", errors="replace"))
        except (SyntaxError, ValueError):
            continue
        nodes = (node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef))
        texts = [each for node in nodes if (each := ast.get_docstring(node))]
        halves = [text.partition("\n\n") for text in texts]
        records = [
            {"text": " ".join(rest.split())[:LONGEST], "summary": " ".join(first.split())}
            for first, _, rest in halves
            if len(rest) >= SHORTEST and 10 <= len(first) <= 100
        ]
        if records:
            found.append(records)
    order = np.random.default_rng(0).permutation(len(found))
    return [found[place] for place in order]


def recipe(folder: Path, seed: int, epochs: float) -> dict[str, Any]:
    """Pairs to scores."""
    data, test = ({"kind": "jsonl", "path": str(folder / f"{split}.jsonl")} for split in ("train", "test"))
    model = {"kind": "scratch", "architecture": "bart", "size": "tiny", "positions": 256, "dropout": 0.1}
    task = {"kind": "summarise", "too_long": "truncate", "policy": {"kind": "beam", "beams": 4, "max_new_tokens": 40}}
    return {
        "name": "summaries",
        "seed": seed,
        "stages": {
            "clean": {"kind": "prepare", "data": data, "test": test, "split": {"validation": 0.02}},
            "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "bpe", "size": 4000}},
            "model": {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": model, "task": task}
            | {"train": {"epochs": epochs, "rate": 1e-3, "batch_tokens": 4096, "validation_records": 40}},
            "test": {"kind": "evaluate", "bundle": "@model", "data": "@clean:test"},
        },
    }


def main() -> None:
    """Train, summarise and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=float, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    files = pairs()
    test = [record for each in files[: len(files) // 10] for record in each]
    train = [record for each in files[len(files) // 10 :] for record in each]
    say(f"{len(train):,} to train, {len(test):,} to test, of {len(files)} files")
    scores, shown = [], []
    begin = time.monotonic()
    for seed in range(options.seeds):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            for name, records in (("train", train), ("test", test)):
                (place / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))
            run = danlu.run(
                recipe(place, seed, options.epochs),
                root=place / "runs",
                say=lambda line: print(line, file=sys.stderr),
            )
            scores.append(json.loads((Path(run["test"]) / "scores.json").read_text(encoding="utf-8")))
            with danlu.load(run["model"]) as bundle:
                asked = test[:: max(1, len(test) // SHOWN)][:SHOWN]
                shown = [each["text"] for each in bundle.predict([{"text": each["text"]} for each in asked])]
    seconds = (time.monotonic() - begin) / options.seeds
    told = f"{len(train):,} docstrings to train, {len(test):,} to test, {options.epochs:g} epochs"
    print(f"{machine()}; {told}, {options.seeds} seed(s), {seconds:.0f} s each\n")
    rows = []
    for name in [name for name in scores[0]["metrics"] if name.startswith("rouge")]:
        sides = [[(each["baseline"] if lead else each)["metrics"][name] for each in scores] for lead in (False, True)]
        rows.append(
            [f"{name} ({sides[0][0]['definition']})", *(spread([s["value"] for s in side], 1) for side in sides)]
        )
    print(table(["", "danlu", "lead-1"], rows))
    for each, said in zip(asked, shown, strict=True):
        print(f"- {each['summary']} ← {said}")


if __name__ == "__main__":
    main()
