"""What is left of bundles that were opened, asked and closed again, many times in one process.

    .venv/bin/python benchmarks/lifetimes.py
    .venv/bin/python benchmarks/lifetimes.py --bundle FOLDER --times 200

Prints threads, open files and memory as a table in Markdown after 10, 50, 100 and 200 lives. Without a bundle a tiny
one is trained, of each of the ways in which a tagger keeps more than its network. What is left after 50 is what a
process keeps for good; what grows from there on is lost.
"""

import argparse
import gc
import json
import tempfile
import threading
from pathlib import Path
from typing import Any

import psutil

import danlu

TOLD = (10, 50, 100, 200)
TEXTS = ["李雷明天从杭州坐高铁去南京。", "王芳和赵强在西安见面。", "Ada lived in London."]


def tiny_bundle(folder: Path, task: dict[str, Any]) -> Path:
    """The bundle of a tagger that has seen a few steps."""
    records = [
        {"text": f"{who}昨天去了{where}。", "entities": [{"start": 0, "end": len(who), "label": "person"}]}
        for who in ("李雷", "王芳", "赵强", "Ada")
        for where in ("杭州", "南京", "西安", "London")
    ]
    (folder / "notes.jsonl").write_text("\n".join(map(json.dumps, records)), encoding="utf-8")
    data = {"kind": "jsonl", "path": str(folder / "notes.jsonl")}
    model = {"kind": "scratch", "layers": 2, "width": 64, "heads": 2, "positions": 64}
    stages = {
        "clean": {"kind": "prepare", "data": data, "dedup": "exact", "split": {"validation": 0.2, "test": 0}},
        "vocab": {"kind": "tokenizer", "data": "@clean", "tokenizer": {"kind": "wordpiece", "size": 200}},
        "model": {
            "kind": "train",
            "data": "@clean",
            "tokenizer": "@vocab",
            "model": model,
            "task": task,
            "train": {"steps": 5},
        },
    }
    return danlu.run({"name": "tiny", "stages": stages}, root=folder, say=lambda _line: None)["model"] / "bundle"


def lives(bundle: Path, times: int) -> None:
    """Open, ask and close a bundle so many times, and print what is left now and then."""
    process = psutil.Process()
    print("| lives | threads | threads of Python | open files | memory |")
    print("|---|---|---|---|---|")
    for number in range(1, times + 1):
        opened = danlu.load(bundle)
        opened.predict(TEXTS)
        opened.close()
        del opened
        if number in TOLD or number == times:
            gc.collect()
            held = process.memory_info().rss / 1e6
            files = process.num_fds() if hasattr(process, "num_fds") else process.num_handles()
            row = (number, process.num_threads(), threading.active_count(), files, f"{held:,.1f} MB")
            print(f"| {' | '.join(map(str, row))} |", flush=True)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--bundle", type=Path, help="folder of a bundle; none: tiny ones")
    parser.add_argument("--times", type=int, default=200)
    arguments = parser.parse_args()
    if arguments.bundle:
        lives(arguments.bundle, arguments.times)
        return
    for task in ({"kind": "tag"}, {"kind": "tag", "decoding": "crf"}, {"kind": "tag", "counted": True}):
        with tempfile.TemporaryDirectory() as folder:
            bundle = tiny_bundle(Path(folder), task)
            print(f"\n{json.dumps(task)}\n")
            lives(bundle, arguments.times)


if __name__ == "__main__":
    main()
