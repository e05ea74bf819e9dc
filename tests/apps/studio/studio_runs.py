"""Folders of runs as trainings leave them, written in a moment."""

import json
import math
from hashlib import sha256
from pathlib import Path
from typing import Any

from danlu.recipe import lock as locks

RECIPE = """
name: {name}
stages:
  clean: {{kind: prepare, data: {{kind: csv, path: rows.csv}}}}
  model: {{kind: train, data: "@clean", model: {{kind: scratch}}, task: classify}}
  test: {{kind: evaluate, bundle: "@model", data: "@clean:test"}}
"""


def write_lock(folder: Path, state: str = "done", *, needs: tuple[str, ...] = (), **section: Any) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    versions = {"danlu": section.pop("danlu", "0.1"), "torch": "2.9"}
    stages = {name: digest_of(folder.with_name(name)) for name in needs}
    digest = digest_of(folder, json.dumps(section, sort_keys=True))
    (folder / "digest").write_text(digest)
    locks.save(folder, locks.Lock(folder.name, state, digest, 0, section, {}, stages, versions, 12.5))  # type: ignore[arg-type]


def digest_of(folder: Path, told: str | None = None) -> str:
    """The fingerprint of a stage that lies in a folder, or of one with such a section."""
    if told is None and (folder / "digest").is_file():
        return (folder / "digest").read_text()
    return sha256(f"{folder}{told}".encode()).hexdigest()


def log_line(step: int, steps: int = 100, **more: Any) -> dict[str, Any]:
    loss = 0.4 + 2.5 * math.exp(-4 * step / steps) + 0.05 * math.sin(step * 2.3)
    line = {"step": step, "epoch": step / 50, "loss": loss, "rate": 2e-4 * (1 - step / steps), "gradient_norm": 1.1}
    return line | {"tokens_per_second": 21000.0 + 900 * math.sin(step), "share_of_limit": 0.61, "seconds": 0.9} | more


def write_log(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")


def write_run(
    root: Path, name: str, *, steps: int = 100, rate: float = 2e-4, score: float = 0.9, state: str = "done"
) -> Path:
    """A run whose training is done or not (`running`), with its log; evaluated where it is done."""
    run = root / name
    write_lock(run / "clean", kind="prepare", data={"kind": "csv", "path": "rows.csv"})
    train = {"epochs": None, "steps": steps, "rate": rate}
    write_lock(run / "model", state, needs=("clean",), kind="train", task={"kind": "classify"}, train=train)
    reached = steps if state == "done" else steps // 2
    lines = [log_line(step, steps) for step in range(1, reached + 1)]
    for step in range(10, reached + 1, 10):
        metrics = {"accuracy": score - 1 / step, "macro_f1": score - 1.5 / step}
        lines += [{"step": step, "epoch": step / 50, "validation": metrics}]
    write_log(run / "model" / "log.jsonl", sorted(lines, key=lambda line: line["step"]))
    if state == "done":
        write_lock(run / "test", needs=("clean", "model"), kind="evaluate")
        metrics = {"accuracy": {"value": score, "low": score - 0.02, "high": score + 0.015, "by_label": None}}
        write_scores(run / "test", metrics | {"macro_f1": {"value": score - 0.01, "low": None, "high": None}})
    return run


def write_scores(folder: Path, metrics: dict[str, Any]) -> None:
    (folder / "scores.json").write_text(json.dumps({"task": "classify", "records": 99, "metrics": metrics}))
