"""Few labels: what 8, 32 and 128 examples of each label teach, by whole models, adapters, prompts and vectors.

English sentiment (sst2, MiniLM) and Chinese sentiment (eprstmt, e5_small_zh_en), the same draws for all: TF-IDF with
logistic regression; the whole network; LoRA; SetFit's way (vectors drawn together by label, then one layer on them).
With `--model` an instruct model as well: examples in the prompt, and the prompt learnt through LoRA (PET). Prints a
markdown table; `--picture` writes it as SVG with the range over seeds.

    .venv/bin/python benchmarks/few_labels.py [--model FOLDER_OR_GGUF] [--seeds 3] [--picture FILE.svg]
"""

import argparse
import functools
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import danlu
from danlu.data.record import Record
from danlu.evaluate.classical.baselines.tfidf import Tfidf
from danlu.machine.seed import generator
from danlu.task.tasks.classify import Classify
from measuring import machine, say, table
from prompts import FILES, TEMPLATES, accuracies
from task_sets import SETS, _model, _read

COUNTS = (8, 32, 128)
ASKED = 300  # records to test
SHOWN = 16  # examples in a prompt, at most
STEPS = {8: 60, 32: 100, 128: 160}  # of 16 texts
COLOURS = ("#777", "#b33", "#27c", "#2a2", "#a3c", "#d80")


def drawn(records: list[Record], count: int, seed: int) -> list[Record]:
    """So many records of each label, as many as there are at most."""
    order = [records[row] for row in generator(seed, "few").permutation(len(records))]
    taken: dict[str, list[Record]] = {}
    for record in order:
        taken.setdefault(str(record["label"]), []).append(record)
    return [record for label in sorted(taken) for record in taken[label][:count]]


def accuracy(truths: list[Record], answers: list[dict[str, Any]]) -> float:
    """In percent."""
    right = [str(answer["label"]) == str(record["label"]) for record, answer in zip(truths, answers, strict=True)]
    return 100 * statistics.mean(right)


def trained(stages: dict[str, Any], train: list[Record], test: list[Record], seed: int, last: str) -> float:
    """Accuracy of the bundle of the last stage; `DATA` stands for the file of the records."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "train.jsonl"
        path.write_text("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in train), "utf-8")
        told = json.loads(json.dumps(stages).replace("DATA", str(path)))
        ran = danlu.run({"name": "few", "seed": seed, "stages": told}, root=folder, say=lambda _: None)
        with danlu.load(ran[last] / "bundle") as bundle:
            return accuracy(test, bundle.predict(test))


def one_stage(model: str, tuning: str, rate: float, count: int) -> dict[str, Any]:
    """A classifier."""
    train = {"steps": STEPS[count], "rate": rate, "batch_examples": 16}
    task = {"kind": "classify", "max_length": 128, "too_long": "truncate"}
    source = {"kind": "pretrained", "path": model}
    data = {"kind": "jsonl", "path": "DATA"}
    return {"fit": {"kind": "train", "data": data, "model": source, "task": task, "tuning": tuning, "train": train}}


def setfit(model: str, count: int) -> dict[str, Any]:
    """Vectors first, then a layer on them."""
    data, source = {"kind": "jsonl", "path": "DATA"}, {"kind": "pretrained", "path": model}
    length = {"max_length": 128, "too_long": "truncate"}
    like = {"steps": STEPS[count], "rate": 5e-5, "batch_examples": 16}
    head = {"steps": 200, "rate": 1e-2, "batch_examples": 16}
    return {
        "like": {
            "kind": "train",
            "data": data,
            "model": source,
            "task": {"kind": "embed", "objective": "cosine", **length},
            "train": like,
        },
        "fit": {
            "kind": "train",
            "data": data,
            "model": {"kind": "pretrained", "path": "@like"},
            "task": {"kind": "classify", "pooling": "mean", **length},
            "tuning": "head",
            "train": head,
        },
    }


def pet(model: str, name: str, count: int, precision: str) -> dict[str, Any]:
    """The prompt learnt through LoRA."""
    template = TEMPLATES[name] | {"longest": 400}
    return {
        "fit": {
            "kind": "train",
            "data": {"kind": "jsonl", "path": "DATA"},
            "model": {"kind": "pretrained", "path": model},
            "task": {"kind": "prompted", "template": template},
            "tuning": "lora",
            "train": {
                "steps": STEPS[count] // 2,
                "rate": 2e-4,
                "batch_examples": 8,
                "checkpoint_seconds": 1e6,
                "precision": precision,
            },
        }
    }


def ways(
    name: str,
    instruct: str | None,
    precision: str,
    draw: Callable[[int, int], tuple[list[Record], list[Record]]],
) -> dict[str, Callable[[list[Record], list[Record], int, int], float]]:
    """What is compared, by its name: of the examples, the test, how many of a label and a seed."""
    model = str(_model(SETS[name].model))

    def classical(train: list[Record], test: list[Record], _count: int, _seed: int) -> float:
        task = Classify().fitted(train)
        return accuracy(test, Tfidf().fit_predict(task, train, test))

    found: dict[str, Callable[[list[Record], list[Record], int, int], float]] = {
        "TF-IDF": classical,
        "full": lambda train, test, count, seed: trained(
            one_stage(model, "full", 5e-5, count), train, test, seed, "fit"
        ),
        "lora": lambda train, test, count, seed: trained(
            one_stage(model, "lora", 5e-4, count), train, test, seed, "fit"
        ),
        "SetFit's way": lambda train, test, count, seed: trained(setfit(model, count), train, test, seed, "fit"),
    }
    if instruct is not None:
        from danlu.prompt.scorer import open_scorer

        scorer = open_scorer(instruct)

        @functools.cache
        def prompted(count: int, seed: int) -> list[float]:
            train, test = draw(count, seed)
            return accuracies(scorer, name, min(2 * count, SHOWN), seed, (train, test))

        found["examples in the prompt"] = lambda _train, _test, count, seed: prompted(count, seed)[0]
        found["the same, calibrated"] = lambda _train, _test, count, seed: prompted(count, seed)[1]
        found["prompt through LoRA (PET)"] = lambda train, test, count, seed: trained(
            pet(instruct, name, count, precision), train, test, seed, "fit"
        )
    return found


def measured(name: str, asked: argparse.Namespace) -> dict[str, list[list[float]]]:
    """Of each way and number of examples the accuracy of each seed."""
    pool, test = (_read(name, key, file) for key, file in zip(("data", "test"), FILES[name], strict=True))
    test = [test[row] for row in sorted(generator(0, name).permutation(len(test))[: asked.records].tolist())]

    def draw(count: int, seed: int) -> tuple[list[Record], list[Record]]:
        return drawn(pool, count, seed), test

    found: dict[str, list[list[float]]] = {}
    for way, ask in ways(name, asked.model, asked.precision, draw).items():
        if asked.only and way not in asked.only:
            continue
        found[way] = []
        for count in asked.counts:
            values = [ask(*draw(count, seed), count, seed) for seed in range(asked.seeds)]
            found[way].append(values)
            say(f"{name}, {way}, {count} a label: {', '.join(f'{value:.1f}' for value in values)}")
    return found


def picture(found: dict[str, dict[str, list[list[float]]]], counts: list[int]) -> str:
    """Accuracy by examples of a label, a panel a data set, with the range over seeds."""
    wide, tall, pieces = 420, 300, list[str]()
    for panel, (name, each) in enumerate(found.items()):
        left, every = panel * wide + 50, [value for way in each.values() for values in way for value in values]
        low, high = min(every) - 2, max(every) + 2

        def across(place: float, left: int = left) -> float:
            return left + 20 + place * (wide - 110) / max(1, len(counts) - 1)

        def up(value: float, low: float = low, high: float = high) -> float:
            return tall - 40 - (value - low) / (high - low) * (tall - 80)

        pieces.append(f'<text x="{left}" y="20" font-weight="bold">{name}: accuracy %, by labels of a class</text>')
        for value in range(int(low // 10 + 1) * 10, int(high) + 1, 10):
            pieces.append(f'<text x="{left - 30}" y="{up(value) + 4:.0f}">{value}</text>')
            pieces.append(f'<path d="M{left} {up(value):.1f}h{wide - 80}" stroke="#ddd"/>')
        for place, count in enumerate(counts):
            pieces.append(f'<text x="{across(place) - 8:.0f}" y="{tall - 20}">{count}</text>')
        for number, (way, rows) in enumerate(each.items()):
            colour, shift = COLOURS[number % len(COLOURS)], (number - len(each) / 2) * 3
            middles = [(across(place) + shift, statistics.mean(values)) for place, values in enumerate(rows)]
            path = "L".join(f"{x:.1f} {up(value):.1f}" for x, value in middles)
            pieces.append(f'<path d="M{path}" stroke="{colour}" fill="none" stroke-width="1.5"/>')
            for (x, _), values in zip(middles, rows, strict=True):
                span = f"M{x:.1f} {up(min(values)):.1f}V{up(max(values)):.1f}"
                pieces.append(f'<path d="{span}" stroke="{colour}" stroke-width="3" opacity="0.5"/>')
            if panel == 0:
                pieces.append(
                    f'<text x="{60 + number % 3 * 260}" y="{tall + 14 + number // 3 * 18}" fill="{colour}">{way}</text>'
                )
    size = f'width="{wide * len(found)}" height="{tall + 44}"'
    style = 'font-family="sans-serif" font-size="12"'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} {style}>\n' + "\n".join(pieces) + "\n</svg>\n"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", nargs="+", choices=["sst2", "eprstmt"], default=["sst2", "eprstmt"])
    parser.add_argument("--model", help="an instruct model: a folder or a GGUF file")
    parser.add_argument("--only", nargs="+", help="ways by their names in the table; all of them else")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--counts", type=int, nargs="+", choices=COUNTS, default=list(COUNTS))
    parser.add_argument("--records", type=int, default=ASKED, help="to test")
    parser.add_argument("--precision", choices=("auto", "float32", "bfloat16"), default="auto", help="of PET")
    parser.add_argument("--picture", type=Path)
    asked = parser.parse_args()
    found = {name: measured(name, asked) for name in asked.data}
    print(f"{machine()}\n\n`benchmarks/few_labels.py {' '.join(sys.argv[1:])}`\n")
    rows = [
        [name, way, *(f"{statistics.mean(values):.1f} ({min(values):.1f} to {max(values):.1f})" for values in each)]
        for name, all_of in found.items()
        for way, each in all_of.items()
    ]
    print(table(["data", "way", *(f"{count} a label, accuracy %" for count in asked.counts)], rows))
    if asked.picture:
        asked.picture.write_text(picture(found, asked.counts), "utf-8")


if __name__ == "__main__":
    main()
