"""What a teacher brings to a smaller student: half the layers, with and without it, over paired seeds.

A teacher is fine-tuned once: MiniLM (6 layers) on SST-2, or e5_small_zh_en (12 layers) on ChnSentiCorp. Students have
half of its layers, copied; all take equally many steps of equally many texts, and each seed is the same for all of
them. One learns from labels alone, the others from the teacher as well: its answers; its answers, hidden states and
attention; and its answers to more texts, whose labels nobody tells. A pretrained network of as many layers that never
met the teacher stands beside them. What is compared is accuracy on the test records, in pairs of one seed; the interval
is Student's over the seeds, and a gain whose interval reaches 0 is "no gain". Prints markdown tables.

    .venv/bin/python benchmarks/distil.py [--data sst2 chnsenticorp] [--seeds 3] [--labels 6000] [--quick]
"""

import argparse
import json
import math
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import danlu
from danlu.data.record import Record
from danlu.machine.seed import generator
from measuring import Watch, machine, say, table
from task_sets import SETS, _model, _read, why_absent

DEEP = {"sst2": 6, "chnsenticorp": 12}
BATCH, LONGEST = 32, 128
T_95 = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447, 7: 2.365, 8: 2.306, 9: 2.262}
"""Quantiles of Student's distribution by degrees of freedom, for an interval of 95 %."""

ALONE = "labels alone"
WAYS: dict[str, dict[str, Any] | None] = {
    ALONE: None,
    "teacher's answers": {},
    "answers, hidden states, attention": {"hidden": 0.1, "attention": 0.01},
    "answers, and to texts without labels": {"unlabelled": True},
}


def interval(gains: list[float]) -> tuple[float, float, float]:
    """The mean of paired differences and its 95 % interval over seeds."""
    mean = statistics.mean(gains)
    if len(gains) < 2:
        return mean, -math.inf, math.inf
    half = T_95[len(gains) - 1] * statistics.stdev(gains) / math.sqrt(len(gains))
    return mean, mean - half, mean + half


def verdict(gains: list[float]) -> str:
    """The gain in points, or that there is none."""
    mean, low, high = interval(gains)
    told = f"{mean:+.2f} ({low:+.2f} to {high:+.2f})"
    return f"gain {told}" if low > 0 else f"no gain: {told}"


def texts(name: str, folder: Path, labels: int, most: int | None) -> list[Record]:
    """Records to train, more of them without their labels, as files; those to test."""
    chosen = SETS[name]
    pool = _read(chosen.recipe, "data", chosen.data)
    assert chosen.test is not None
    test = _read(chosen.recipe, "test", chosen.test)[:most]
    order = [pool[row] for row in generator(0, "distil").permutation(len(pool)).tolist()]
    rest = [{"text": record["text"]} for record in order[labels : 3 * labels]]
    for part, records in (("train", order[:labels]), ("plain", rest)):
        lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in records]
        (folder / f"{part}.jsonl").write_text("".join(lines), "utf-8")
    return test


def stage(model: dict[str, Any], folder: Path, rate: float, steps: int, **fields: Any) -> dict[str, Any]:
    """A training of a classifier."""
    return {
        "kind": "train",
        "data": {"kind": "jsonl", "path": str(folder / "train.jsonl")},
        "model": model,
        "task": {"kind": "classify", "max_length": LONGEST, "too_long": "truncate"},
        "train": {"steps": steps, "rate": rate, "batch_examples": BATCH, "checkpoint_seconds": 1e6},
    } | fields


def accuracy(root: Path, name: str, section: dict[str, Any], seed: int, test: list[Record]) -> tuple[float, Path]:
    """In percent, of a stage that is run, and its folder."""
    run = danlu.run({"name": name, "seed": seed, "stages": {"model": section}}, root=root, say=lambda _: None)
    with danlu.load(run["model"]) as bundle:
        answers = bundle.predict(test)
    right = [str(answer["label"]) == str(record["label"]) for record, answer in zip(test, answers, strict=True)]
    return 100 * statistics.mean(right), run["model"]


def measured(name: str, asked: argparse.Namespace, root: Path) -> tuple[float, dict[str, list[float]]]:
    """Accuracy of the teacher, and of each student by seed."""
    folder, deep = root / name, DEEP[name]
    folder.mkdir()
    test = texts(name, folder, asked.labels, 40 if asked.quick else None)
    steps = asked.steps or 2 * asked.labels // BATCH
    rate = SETS[name].rate
    base = str(_model(SETS[name].model))
    learnt = stage({"kind": "pretrained", "path": base}, folder, rate, steps)
    teacher, where = accuracy(folder, "teacher", learnt, 0, test)
    say(f"{name}: teacher {teacher:.2f}")
    small = {"kind": "student", "of": str(where / "bundle"), "layers": deep // 2}
    beside = {"kind": "student", "of": base, "layers": deep // 2}
    found: dict[str, list[float]] = {}
    for seed in range(asked.seeds):
        for way, fields in WAYS.items():
            section = stage(small, folder, 2 * rate, steps)
            if fields is not None:
                told = dict(fields)
                if told.pop("unlabelled", False):
                    told["unlabelled"] = {"kind": "jsonl", "path": str(folder / "plain.jsonl")}
                section["teacher"] = {"bundle": str(where / "bundle"), **told}
            value, _ = accuracy(folder, f"{len(found)}-{seed}-{list(WAYS).index(way)}", section, seed, test)
            found.setdefault(way, []).append(value)
            say(f"{name}, seed {seed}, {way}: {value:.2f}")
        never = "labels alone, never met the teacher"
        value, _ = accuracy(folder, f"never-{seed}", stage(beside, folder, 2 * rate, steps), seed, test)
        found.setdefault(never, []).append(value)
        say(f"{name}, seed {seed}, {never}: {value:.2f}")
    return teacher, found


def told(name: str, teacher: float, found: dict[str, list[float]]) -> str:
    """The table of a data set."""
    rows = [[f"teacher, {DEEP[name]} layers", f"{teacher:.2f}", "", ""]]
    for way, values in found.items():
        gains = [value - alone for value, alone in zip(values, found[ALONE], strict=True)]
        mean = statistics.mean(values)
        each = ", ".join(f"{value:.2f}" for value in values)
        said = "" if way == ALONE else verdict(gains)
        rows.append([f"{DEEP[name] // 2} layers, {way}", f"{mean:.2f} ({each})", f"{100 * mean / teacher:.1f}", said])
    columns = [name, "accuracy %, mean and by seed", "% of the teacher", f"beside {ALONE}, in points"]
    return table(columns, rows)


def main() -> None:
    """Train, compare and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=list(DEEP), default=list(DEEP))
    parser.add_argument("--seeds", type=int, default=3, choices=range(1, len(T_95) + 2))
    parser.add_argument("--labels", type=int, default=6000, help="records to train")
    parser.add_argument("--steps", type=int, help="of each training; None: two epochs of the labels")
    parser.add_argument("--quick", action="store_true", help="few texts and steps: to see that it works")
    asked = parser.parse_args()
    if asked.quick:
        asked.labels, asked.steps, asked.seeds = 64, 2, 2
    watch, parts = Watch(), list[str]()
    watch.look()
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.data:
            if absent := why_absent(name):
                say(absent)
                continue
            with watch.beside(name):
                parts.append(told(name, *measured(name, asked, Path(folder))))
    print(f"{machine()} {watch.verdict()}\n\n`benchmarks/distil.py {' '.join(sys.argv[1:])}`\n")
    print("\n\n".join(parts))


if __name__ == "__main__":
    main()
