"""The next line of code, by a small llama that has learnt from nothing but the standard library's own source.

The files of the Python that runs this are read where they lie (PSF licence) and split by file; nothing is copied. A
model with `fill_in_the_middle` writes the next line of files that it has not seen, from what stands before it alone,
and with what comes behind it as well; beside it stands the line that followed the most similar lines in the training
files. A line counts if it is right to the letter, its indentation aside. Prints a markdown table and some lines.

    .venv/bin/python benchmarks/next_line.py [--epochs 3] [--files 400] [--asked 500]
"""

import argparse
import json
import sys
import sysconfig
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import danlu
from danlu.evaluate.classical.baselines.nearest import Nearest
from danlu.evaluate.scoring.score import score
from danlu.task.tasks.rewrite import Rewrite
from measuring import machine, say, table

OUTSIDE = {"test", "tests", "idlelib", "lib2to3", "site-packages", "turtledemo", "encodings", "__pycache__"}
BEFORE, BEHIND = 300, 150  # characters; one may be a token, and 512 are all that the model takes
LIKE = 160  # characters that are compared to find the most similar place
LONGEST = 40  # tokens of a line
SHOWN = 6


def sources() -> list[str]:
    """The source files of the standard library, in an order that the file system does not decide."""
    root = Path(sysconfig.get_path("stdlib"))
    paths = sorted(path for path in root.rglob("*.py") if not OUTSIDE & set(path.relative_to(root).parts))
    texts = [path.read_text(encoding="utf-8", errors="replace") for path in paths]
    order = np.random.default_rng(0).permutation(len(texts))
    return [texts[place] for place in order if len(texts[place]) > BEFORE and texts[place].isascii()]


def places(texts: list[str], count: int, seed: int) -> list[dict[str, str]]:
    """Lines with what stands before and behind them, drawn from all that are neither empty nor comments."""
    found = []
    for number, text in enumerate(texts):
        start = 0
        for line in text.splitlines(keepends=True):
            if start > BEFORE // 2 and line.strip() and not line.lstrip().startswith("#"):
                found.append((number, start, start + len(line)))
            start += len(line)
    drawn = np.random.default_rng(seed).choice(len(found), min(count, len(found)), replace=False)
    records = []
    for place in sorted(drawn.tolist()):
        number, start, end = found[place]
        text = texts[number]
        before, line = text[max(0, start - BEFORE) : start], text[start:end].strip()
        records.append({"text": before.rstrip("\n"), "suffix": text[end - 1 : end + BEHIND], "target": line})
    return records


def recipe(folder: Path, size: str, epochs: float) -> dict[str, Any]:
    """Files to a bundle."""
    tokens = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"]
    tokenizer = {"kind": "extended", "base": {"kind": "bpe", "size": 4000}, "special": tokens}
    model = {"kind": "scratch", "architecture": "llama", "size": size, "positions": 512, "dropout": 0.0}
    task = {"kind": "causal_lm", "fill_in_the_middle": 0.5, "max_length": 256}
    data = {"kind": "jsonl", "path": str(folder / "files.jsonl")}
    return {
        "name": "next-line",
        "stages": {
            "clean": {"kind": "prepare", "data": data, "split": {"validation": 0.01}},
            "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": tokenizer},
            "model": {"kind": "train", "data": "@clean", "tokenizer": "@vocab", "model": model, "task": task}
            | {"train": {"epochs": epochs, "rate": 2e-3, "schedule": "cosine", "batch_tokens": 4096}},
        },
    }


def first_line(text: str) -> str:
    """The first line that is not empty, its indentation aside."""
    return text.strip().partition("\n")[0].strip()


def told(scored: dict[str, float]) -> str:
    """A share and its interval."""
    return "{value:.1%} ({low:.1%} to {high:.1%})".format_map(scored)


def main() -> None:
    """Train, ask and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--size", default="mini", help="of the llama")
    parser.add_argument("--files", type=int, default=400, help="files to learn from")
    parser.add_argument("--asked", type=int, default=500, help="lines to write")
    options = parser.parse_args()
    texts = sources()
    held_out, learnt = texts[: len(texts) // 10], texts[len(texts) // 10 :][: options.files]
    asked, known = places(held_out, options.asked, 1), places(learnt, 20_000, 2)
    say(f"files: {len(learnt)} to learn from, {len(held_out)} held out; {sum(map(len, learnt)):,} characters")
    begin = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        lines = "".join(json.dumps({"text": text}) + "\n" for text in learnt)
        (place / "files.jsonl").write_text(lines, encoding="utf-8")
        run = danlu.run(
            recipe(place, options.size, options.epochs),
            root=place / "runs",
            say=lambda line: print(line, file=sys.stderr),
        )
        with danlu.load(run["model"]) as bundle:
            before = bundle.generate([{"text": each["text"]} for each in asked], max_new_tokens=LONGEST)
            between = bundle.generate(
                [{"text": each["text"] + "\n", "suffix": each["suffix"]} for each in asked], max_new_tokens=LONGEST
            )
    seconds = time.monotonic() - begin
    said = [[{"text": first_line(each[0].text)} for each in side] for side in (before, between)]
    task = Rewrite()
    like = [[{**each, "text": each["text"][-LIKE:]} for each in side] for side in (known, asked)]
    nearest = Nearest().fit_predict(task, *like)
    rows = []
    for name, predictions in (("what stands before", said[0]), ("before and behind", said[1])):
        found = score(task, asked, predictions, metrics=["verbatim"], baseline=("nearest", nearest)).to_plain()
        ours, theirs = (side["metrics"]["verbatim"] for side in (found, found["baseline"]))
        rows.append(
            [name, *(f"{each['value']:.1%} ({each['low']:.1%} to {each['high']:.1%})" for each in (ours, theirs))]
        )
    print(f"{machine()}; {seconds:.0f} s\n")
    print(table(["the model reads", "next line right", "most similar place"], rows))
    for one, other, each in list(zip(*said, asked, strict=True))[:: max(1, len(asked) // SHOWN)]:
        print(f"- `{each['target']}`: `{one['text']}`, `{other['text']}`")


if __name__ == "__main__":
    main()
