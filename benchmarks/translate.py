"""Translation from scratch on Tatoeba, both ways: an encoder-decoder and a decoder beside word by word.

The pairs are split by what is read, so that no sentence of the test was seen; every other translation of it that there
is counts as right as well. Beam 4. Prints a markdown table with BLEU and chrF, and ten translations of each.

    .venv/bin/python benchmarks/translate.py --data FOLDER/cmn.txt [--seeds 3] [--epochs 12]
"""

import argparse
import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

import danlu

WAYS = {"en-zh": (0, 1), "zh-en": (1, 0)}
MODELS = {
    "marian": {"architecture": "marian", "layers": 3, "width": 256, "heads": 4, "feed_forward": 1024},
    "llama": {"architecture": "llama", "layers": 6, "width": 256, "heads": 4},
}
SHOWN = 10
TESTED = 1000  # sentences


def pairs(path: Path, way: str) -> dict[str, list[str]]:
    """The translations of each sentence that is read."""
    read, written = WAYS[way]
    found: dict[str, list[str]] = defaultdict(list)
    for line in path.read_text(encoding="utf-8").splitlines():
        columns = line.split("\t")
        found[columns[read]].append(columns[written])
    return found


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def recipe(model: dict[str, Any], tokenizer: dict[str, Any], seed: int, train: dict[str, Any]) -> dict[str, Any]:
    """Pairs as files that are split already, to scores."""
    positions = {"positions": 128, "dropout": 0.1, "kind": "scratch"}
    task = {"kind": "translate", "target_too_long": "drop", "too_long": "truncate", "label_smoothing": 0.1}
    clean = {"kind": "prepare", "dedup": "none", "split": {"validation": 0.01}}
    clean |= {"data": {"kind": "jsonl", "path": "train.jsonl"}, "test": {"kind": "jsonl", "path": "test.jsonl"}}
    return {
        "name": "tatoeba",
        "seed": seed,
        "stages": {
            "clean": clean,
            "vocab": {
                "kind": "tokenizer",
                "data": "@clean",
                "tokenizer": tokenizer,
            },
            "model": {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": {**model, **positions}}
            | {"task": task, "train": train},
            "test": {"kind": "evaluate", "bundle": "@model", "data": "@clean:test"},
        },
    }


def measure(
    data: Path, way: str, name: str, tokenizer: dict[str, Any], seed: int, train: dict[str, Any]
) -> tuple[dict[str, Any], list[str]]:
    """The scores of one training, and some of its translations."""
    found = pairs(data, way)
    order = np.random.default_rng(0).permutation(sorted(found))
    tested = set(order[:TESTED].tolist())
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        write(place / "test.jsonl", [{"text": text, "translation": found[text]} for text in order[:TESTED].tolist()])
        learnt = [(text, each) for text in found if text not in tested for each in found[text]]
        write(place / "train.jsonl", [{"text": text, "translation": each} for text, each in learnt])
        plain = recipe(MODELS[name], tokenizer, seed, train)
        for stage in ("data", "test"):
            plain["stages"]["clean"][stage]["path"] = str(place / plain["stages"]["clean"][stage]["path"])
        begin = time.monotonic()
        run = danlu.run(plain, root=place / "runs", say=lambda line: print(line, file=sys.stderr))
        scores = json.loads((Path(run["test"]) / "scores.json").read_text(encoding="utf-8"))
        scores["seconds"] = time.monotonic() - begin
        shown = order[: SHOWN * 3 : 3].tolist()
        with danlu.load(run["model"]) as bundle:
            answers = zip(shown, bundle.predict(shown), strict=True)
            said = [f"- {text} → {each['text']} ({found[text][0]})" for text, each in answers]
    return scores, said


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=float, default=12)
    parser.add_argument("--batch-tokens", type=int, default=1024)
    parser.add_argument("--pieces", type=int, default=2500, help="of the vocabulary")
    parser.add_argument("--cut", choices=["runs", "characters"], default="characters", help="of Chinese")
    parser.add_argument("--ways", nargs="*", default=[*WAYS])
    parser.add_argument("--models", nargs="*", default=[*MODELS])
    options = parser.parse_args()
    tokenizer = {"kind": "bpe", "size": options.pieces, "cut": options.cut}
    train = {
        "epochs": options.epochs,
        "rate": 1e-3,
        "batch_tokens": options.batch_tokens,
        "validation_records": 50,
        "average": 0.99,
    }
    print("| way | model | BLEU | chrF | exact | length | word by word: BLEU, chrF | seconds |")
    print("|---|---|---|---|---|---|---|---|")
    examples = []
    for way in options.ways:
        for name in options.models:
            every = [measure(options.data, way, name, tokenizer, seed, train) for seed in range(options.seeds)]
            rows = [scores for scores, _ in every]

            def told(kind: str, side: str = "", rows: list[dict[str, Any]] = rows) -> str:
                values = [(row[side] if side else row)["metrics"][kind]["value"] for row in rows]
                return f"{np.mean(values):.2f} ± {np.std(values):.2f}"

            defined = rows[0]["metrics"]["bleu"]["definition"]
            print(
                f"| {way} | {name} | {told('bleu')} ({defined}) | {told('chrf')} | {told('exact_match')} "
                f"| {told('length_ratio')} | {told('bleu', 'baseline')}, {told('chrf', 'baseline')} "
                f"| {np.mean([row['seconds'] for row in rows]):.0f} |",
                flush=True,
            )
            examples += [f"\n{way}, {name}:\n", *every[0][1]]
    print("\n".join(examples))


if __name__ == "__main__":
    main()
