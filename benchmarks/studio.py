"""How long the views of the studio take over many runs with long logs, cold and warm.

    .venv/bin/python benchmarks/studio.py --folder /tmp/studio-runs

writes 30 runs whose logs have 10 million lines together (some 4 GB), unless they lie there, and asks the routes that
the page asks, in this process. Cold: nothing is known, neither in memory nor beside the runs, though the system may
have files in memory. Read: the logs of eight runs have been read to their ends, as they are in the background. Warm:
the same once more. Again: a new studio, which finds beside the runs what the last one has read.
"""

import argparse
import json
import math
import os
import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from danlu.apps.studio.processes import FOLDER
from danlu.apps.studio.run_routes import reads
from danlu.apps.studio.studio import Studio
from danlu.recipe import lock as locks

METRICS = ("accuracy", "macro_f1")
COMPARED = 8


def write_run(folder: Path, lines: int, number: int) -> None:
    """A run of four stages, whose training has a log of so many lines, of which each hundredth is a validation."""
    train = {"epochs": None, "steps": lines, "rate": 2e-4 * (1 + number % 3), "batch_tokens": 2048}
    sections: dict[str, tuple[dict[str, Any], list[str]]] = {
        "clean": ({"kind": "prepare", "data": [{"kind": "csv", "path": "rows.csv"}]}, []),
        "vocab": ({"kind": "tokenizer", "data": "@clean"}, ["clean"]),
        "model": ({"kind": "train", "data": "@clean", "train": train}, ["clean", "vocab"]),
        "test": ({"kind": "evaluate", "bundle": "@model", "data": "@clean:test"}, ["clean", "model"]),
    }
    for stage, (section, needs) in sections.items():
        (folder / stage).mkdir(parents=True)
        fingerprint = f"{number:02d}{hash(stage) & 0xFFFFFFFF:08x}".ljust(64, "0")
        done = locks.Lock(
            stage, "done", fingerprint, number, section, {}, dict.fromkeys(needs, "0" * 64), {"danlu": "1"}, 60.0
        )
        locks.save(folder / stage, done)
    write_log(folder / "model" / "log.jsonl", lines, number)
    scores = {name: {"value": 0.8 + number / 300, "low": 0.78, "high": 0.93, "by_label": None} for name in METRICS}
    (folder / "test" / "scores.json").write_text(json.dumps({"task": "classify", "records": 1000, "metrics": scores}))


def write_log(path: Path, lines: int, number: int) -> None:
    """Lines as a training writes them; their noise comes from a thousand draws."""
    draws = random.Random(number)
    noise = [draws.gauss(0, 0.05) for _ in range(1000)]
    limits = '"limit": 184000000000.0, "limit_in_the_middle": 171000000000.0'
    shares = '"attention": 0.0213, "padding": 0.0278, "data_wait": 0.0021, "optimizer": 0.0612, "seconds": 0.9731'
    with path.open("w", encoding="utf-8", buffering=2**22) as file:
        for step in range(1, lines + 1):
            loss = 0.4 + 3 * math.exp(-6 * step / lines) + noise[step * 7 % 1000]
            where = f'"step": {step}, "epoch": {step / 1e4:.4f}'
            if step % 100 == 0:
                metrics = f'"accuracy": {0.9 - loss / 10:.6f}, "macro_f1": {0.88 - loss / 9:.6f}'
                file.write(f'{{{where}, "validation": {{{metrics}}}}}\n')
                continue
            numbers = f'"loss": {loss}, "rate": {2e-4 * (1 - step / lines)}, "gradient_norm": {1 + noise[step % 1000]}'
            speed = f'"tokens_per_second": {21000 + 9000 * noise[step % 997]:.1f}'
            share = f'"share_of_limit": {0.61 + noise[step % 991]:.4f}'
            file.write(f"{{{where}, {numbers}, {speed}, {share}, {limits}, {shares}}}\n")


def timed(call: Callable[[], Any]) -> tuple[float, float]:
    """Seconds that went by, and seconds of a core that this thread has used: other programs do not add to these."""
    begun, used = time.perf_counter(), time.thread_time()
    call()
    return time.perf_counter() - begun, time.thread_time() - used


def views(studio: Studio, names: list[str]) -> dict[str, tuple[float, float]]:
    """Both for each view, as the page asks for it: what it shows is asked for one after the other."""
    answer = reads(studio)
    asked = names[:COMPARED]
    logs = [{"run": name, "stage": "model"} for name in asked]
    first = {"run": asked[0], "stage": "model"}
    calls: dict[str, Callable[[], Any]] = {
        "the list of runs": lambda: answer["/v1/runs"]({}),
        "a run": lambda: [answer["/v1/run"](first), answer["/v1/curves"](first), answer["/v1/samples"](first)],
        f"{COMPARED} runs compared: settings, scores": lambda: answer["/v1/comparison"]({"runs": json.dumps(asked)}),
        f"{COMPARED} runs compared: the slowest of their curves": lambda: None,
    }
    found = {name: timed(call) for name, call in calls.items()}
    found[list(calls)[-1]] = max(timed(lambda log=log: answer["/v1/curves"](log)) for log in logs)
    return found


def told(wall: float, core: float) -> str:
    return f"{1000 * wall:.0f} ms ({1000 * core:.0f})"


def wait(studio: Studio, names: list[str]) -> float:
    """Seconds until the logs that were asked for are read."""
    begun = time.perf_counter()
    while any(studio.runs.log(name, "model").shown(0)["read"] < 1 for name in names[:COMPARED]):
        time.sleep(0.2)
    return time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=30)
    parser.add_argument("--lines", type=int, default=10_000_000, help="of all logs together")
    chosen = parser.parse_args()
    names = [f"run-{number:02d}" for number in range(chosen.runs)]
    for number, name in enumerate(names):
        if not (chosen.folder / name).exists():
            write_run(chosen.folder / name, chosen.lines // chosen.runs, number)
        shutil.rmtree(chosen.folder / name / FOLDER, ignore_errors=True)
    size = sum(path.stat().st_size for path in chosen.folder.glob("*/model/log.jsonl"))
    print(f"{chosen.runs} runs, {chosen.lines:,} lines, {size / 1e9:.2f} GB")
    times: dict[str, dict[str, tuple[float, float]]] = {}
    studio = Studio(chosen.folder, chosen.folder)
    times["cold"] = views(studio, names)
    print(f"the logs of {COMPARED} runs were read behind in {wait(studio, names):.1f} s")
    times["read"], times["warm"] = views(studio, names), views(studio, names)
    studio.close()
    studio = Studio(chosen.folder, chosen.folder)
    times["again"] = views(studio, names)
    studio.close()
    print(f"load of the machine, by processes that want a core: {os.getloadavg()[0]:.0f} on {os.cpu_count()} cores")
    print("| view, ms that went by (ms of a core) | " + " | ".join(times) + " |")
    for name in times["cold"]:
        print(f"| {name} | " + " | ".join(told(*each[name]) for each in times.values()) + " |")


if __name__ == "__main__":
    main()
