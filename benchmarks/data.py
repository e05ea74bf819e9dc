"""Raw text to shards, out of core: MB/s of each step, memory, what is found of planted duplicates, and the rivals.

    python benchmarks/data.py --megabytes 4096           # two sizes: this one, and half of it
    python benchmarks/data.py --megabytes 40 --quick     # to see that it works

The whole is a recipe as a user would run it; its parts are measured by themselves at the smaller size. Each runs in a
fresh process with its own tree of workers, whose memory is watched five times a second.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any

import psutil

from corpus import write

HERE = Path(__file__).parent
PARTS = ("clean", "near")
NAMES = {
    "read": "reading alone (json lines, one process)",
    "clean": "cleaning",
    "keys": "reading, keys of duplicates, chunks to disk",
    "clusters": "clusters of equal and like texts",
    "deal": "what stays, split and written as Parquet",
    "near": "near-duplicate removal in all",
    "prepare": "stage: cleaning, near-duplicates, splits",
    "vocab": "stage: a tokenizer, from the first 20 MB",
    "shards": "stage: tokenisation and shards",
    "whole": "the whole recipe",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=float, default=4096, help="size of the larger corpus")
    parser.add_argument("--rivals", type=float, default=40, help="megabytes that the rivals are given; 0: none")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "danlu-data-benchmark")
    parser.add_argument("--quick", action="store_true", help="the one size only")
    given = parser.parse_args()
    sizes = [given.megabytes] if given.quick else [given.megabytes / 2, given.megabytes]
    for size in sizes:
        corpus = write(given.folder, size)
        print(f"\n{corpus.stat().st_size / 1e6:,.0f} MB of json lines ({size:g} MB of text), {_cores()} cores")
        for step in (*(PARTS if size == sizes[0] else ()), "whole"):
            result, memory = watched("data_step.py", {"step": step, "corpus": str(corpus), "folder": str(given.folder)})
            _tell(result, memory, size)
    if given.rivals:
        corpus = write(given.folder, given.rivals)
        print(f"\nduplicates of {given.rivals:g} MB, each in one process; seconds of the processor, wall beside")
        found = {}
        for rival in ("danlu", "datasketch", "datatrove"):
            result, memory = watched(
                "data_step.py", {"step": rival, "corpus": str(corpus), "folder": str(given.folder)}
            )
            found[rival] = result
            if "absent" in result:
                print(f"  {rival:12} {result['absent']}")
                continue
            speed, times = given.rivals / result["cpu"], result["cpu"] / found["danlu"]["cpu"]
            print(f"  {rival:12} {speed:8.1f} MB/s  {result['cpu']:7.1f} s ({result['wall']:.1f} wall)", end="")
            print(f"  precision {result['precision']:.4f}  recall {result['recall']:.4f}", end="")
            print(f"  {memory:,.0f} MB of memory  {times:.1f} times danlu's time", flush=True)


def watched(script: str, job: dict[str, Any]) -> tuple[dict[str, Any], float]:
    """The result of a script beside this file, and the most memory that it and its children held at a time, in MB."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / script), json.dumps(job)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "TOKENIZERS_PARALLELISM": "true", "PYTHONWARNINGS": "ignore"},
    )
    most = 0.0
    done = threading.Event()

    def look() -> None:
        nonlocal most
        while not done.wait(0.2):
            most = max(most, _memory(process.pid))

    watcher = threading.Thread(target=look)
    watcher.start()
    output, _ = process.communicate()
    done.set()
    watcher.join()
    if process.returncode:
        sys.exit(f"{script} ended with {process.returncode} at {job['step']}")
    return json.loads(output.splitlines()[-1]), most


def _memory(pid: int) -> float:
    """MB of a process and its children; pages that several share, such as mapped files, are counted in parts."""
    total = 0
    try:
        tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.Error:
        return 0.0
    for process in tree:
        try:
            total += process.memory_full_info().pss if sys.platform == "linux" else process.memory_info().rss
        except psutil.Error:
            continue
    return total / 1e6


def _tell(result: dict[str, Any], memory: float, size: float) -> None:
    for name, seconds in result["seconds"].items():
        print(f"  {NAMES[name]:45} {size / seconds:8.1f} MB/s {seconds:8.1f} s")
    print(f"  {'most memory of all processes':45} {memory:8,.0f} MB", end="")
    print(f"  {result.pop('cpu'):,.0f} s of processors", end="")
    found = {name: value for name, value in result.items() if name != "seconds"}
    print("".join(f"  {name} {value:,.4g}" for name, value in found.items()), flush=True)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


if __name__ == "__main__":
    main()
