"""A ladder of smaller models on real texts: `danlu compress` with the original as the teacher of what was pruned.

The original is fine-tuned once: MiniLM (6 layers) on SST-2, or e5_small_zh_en (12 layers) on ChnSentiCorp. What was
pruned learns from the same labels and from the original's answers, to those texts and to more of them without labels.
Every rung is scored on the same test with a paired interval, and timed in turn with the original. Prints markdown
tables.

    .venv/bin/python benchmarks/smaller.py [--data sst2 chnsenticorp] [--rungs ...] [--labels 6000] [--quick]
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import danlu
from danlu.compress.climbing import Row
from danlu.compress.following import Following
from danlu.compress.ladder import Ladder, compress
from danlu.compress.measuring import Measuring
from danlu.data.record import Record
from danlu.machine.seed import generator
from danlu.train.settings import Training
from distil import BATCH, DEEP, stage
from measuring import Watch, machine, say, table
from task_sets import SETS, _model, _read, why_absent

RUNGS = [
    "onnx-float32",
    "onnx-int8_dynamic",
    "openvino-int8_static",
    "layers:0.5",
    "layers:0.5+onnx-int8_dynamic",
    "layers:0.67+onnx-int8_dynamic",
]


def texts(name: str, labels: int, unlabelled: int, most: int | None) -> tuple[list[Record], list[Record], list[Record]]:
    """Records with a label, more of them without, and those to test."""
    chosen = SETS[name]
    pool, test = _read(chosen.recipe, "data", chosen.data), _read(chosen.recipe, "test", str(chosen.test))
    order = [pool[row] for row in generator(0, "smaller").permutation(len(pool)).tolist()]
    return order[:labels], [{"text": each["text"]} for each in order[labels:][:unlabelled]], test[:most]


def climbed(name: str, asked: argparse.Namespace, folder: Path) -> Ladder:
    """The original, fine-tuned, and its ladder."""
    chosen = SETS[name]
    train, more, test = texts(name, asked.labels, asked.unlabelled, 64 if asked.quick else None)
    lines = [json.dumps(record, ensure_ascii=False) + "\n" for record in train]
    (folder / "train.jsonl").write_text("".join(lines), "utf-8")
    steps = chosen.epochs * len(train) // BATCH
    section = stage({"kind": "pretrained", "path": str(_model(chosen.model))}, folder, chosen.rate, steps)
    run = danlu.run({"name": name, "stages": {"model": section}}, root=folder, say=say)
    training = Training(epochs=asked.epochs, rate=2 * chosen.rate, batch_examples=BATCH)
    how: dict[str, Any] = {"how": Measuring(rounds=1, seconds=0, batches=(1,), lengths=(16,))} if asked.quick else {}
    return compress(
        run["model"] / "bundle",
        test,
        f"accuracy -{asked.floor:g}",
        folder / "small",
        rungs=",".join(asked.rungs),
        train=train,
        training=training,
        following=Following({}, more),
        say=say,
        **how,
    )


def told(name: str, ladder: Ladder) -> str:
    """The table of a data set."""
    first = ladder.original
    rows = [[f"original, {DEEP[name]} layers", f"{100 * first.value:.2f}", "", "", "", "", ""]]
    return table(
        [name, "accuracy %", "difference (95 %)", "% of the original", "size", "one record", "records a second"],
        [*rows, *(line(row, first.value) for row in ladder.rows)],
    )


def line(row: Row, original: float) -> Sequence[str]:
    """A rung, as the table has it."""
    if row.refused is not None:
        return [row.name, row.refused, "", "", "", "", ""]
    apart = f"{100 * (row.value - original):+.2f} ({100 * row.low:+.2f} to {100 * row.high:+.2f})"
    gains = [f"{row.gain(target):.2f}x" for target in ("size", "latency", "throughput")]
    return [row.name, f"{100 * row.value:.2f}", apart, f"{100 * row.value / original:.1f}", *gains]


def main() -> None:
    """Make, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="+", choices=list(DEEP), default=list(DEEP))
    parser.add_argument("--rungs", nargs="+", default=RUNGS)
    parser.add_argument("--labels", type=int, default=6000, help="records with a label")
    parser.add_argument("--unlabelled", type=int, default=9000, help="records of which the original alone speaks")
    parser.add_argument("--epochs", type=float, default=3, help="of the training after a pruning")
    parser.add_argument("--floor", type=float, default=1, help="points of accuracy that may be lost")
    parser.add_argument(
        "--keep", type=Path, help="folder for the ladders: compress.html, and the bundles that are kept"
    )
    parser.add_argument("--quick", action="store_true", help="few texts: to see that it works")
    asked = parser.parse_args()
    if asked.quick:
        asked.labels, asked.unlabelled, asked.epochs, asked.floor = 64, 64, 1, 99
    watch, parts = Watch(), list[str]()
    watch.look()
    for name in asked.data:
        if absent := why_absent(name):
            say(absent)
            continue
        with tempfile.TemporaryDirectory() as temporary, watch.beside(name):
            folder = (asked.keep or Path(temporary)) / name
            folder.mkdir(parents=True, exist_ok=True)
            ladder = climbed(name, asked, folder)
        parts.append(f"{told(name, ladder)}\n\nKept: {ladder.kept or 'nothing'}.")
    print(f"{machine()} {watch.verdict()}\n\n`benchmarks/smaller.py {' '.join(sys.argv[1:])}`\n")
    print("\n\n".join(parts))


if __name__ == "__main__":
    main()
