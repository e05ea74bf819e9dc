"""A model of 260 thousand parameters that tells stories learns to answer, and then which of two answers is better.

First `chat` on instructions, with its loss at the beginning and at the end. Then `prefer` with DPO on pairs of answers,
from that model: loss, accuracy and margin on pairs that were not read. It is far too small to answer well; what counts
is that both losses do what they should. Prints a markdown table.

    .venv/bin/python benchmarks/talk.py --model FOLDER --instructions FILE --preference FILE [--seeds 3]
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

import danlu
from danlu.data.reading.format import Format
from danlu.task.tasks.chat import Chat
from danlu.text.tokenizing.folder import open_tokenizer
from measuring import machine, say, spread, table

LONGEST = 384  # tokens of a conversation; longer ones are left out


def masks_by_hand(model: Path, instructions: Path) -> tuple[int, int]:
    """Of how many conversations the task learns what this function says by hand, and of how many in all.

    The template `plain` writes "User: …" and "Assistant: …"; what is learnt is an answer and its end token.
    """
    tokenizer = open_tokenizer(model, str(model))
    task = Chat.model_validate(
        {"template": {"kind": "plain", "language": "en"}, "too_long": "drop", "max_length": LONGEST}
    )
    records = list(Format.model_validate({"kind": "chat", "path": str(instructions)}).read(labelled=True))
    alike = 0
    rows = task.encode(records, tokenizer, LONGEST, labelled=True)
    for row in rows:
        ids, targets = row.row.input_ids.tolist(), row.targets["tokens"]
        answer = records[row.record]["messages"][-1]["content"].strip()
        learnt = [place for place, target in enumerate(targets) if target >= 0]
        said = tokenizer.decode(targets[learnt]).strip()
        last = len(ids) - 1 - ids[::-1].index(tokenizer.eos_token_id)
        expected = list(range(learnt[0], last))
        alike += learnt == expected and said.removesuffix(tokenizer.eos_token).strip() == answer
    return alike, len(rows)


def trained(stages: dict[str, Any], seed: int, folder: Path) -> dict[str, Any]:
    """The run of a recipe."""
    return danlu.run({"name": "talk", "seed": seed, "stages": stages}, root=folder, say=say)


def log_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def measure(options: argparse.Namespace, seed: int) -> dict[str, float]:
    """One training to answer, and one to prefer."""
    split = {"validation": 0.1, "test": 0.1}
    asked = {"kind": "prepare", "data": {"kind": "chat", "path": str(options.instructions)}, "text": "messages"}
    judged = {"kind": "prepare", "data": {"kind": "chat", "path": str(options.preference)}, "text": "messages"}
    task = {"template": {"kind": "plain", "language": "en"}, "too_long": "drop", "max_length": LONGEST}
    usual = {"batch_tokens": 4096, "checkpoint_seconds": 1e6}
    with tempfile.TemporaryDirectory() as folder:
        answers = {
            "asked": {**asked, "split": split},
            "chat": {
                "kind": "train",
                "data": "@asked",
                "model": {"kind": "pretrained", "path": str(options.model)},
                "task": {"kind": "chat", **task, "policy": {"kind": "greedy", "max_new_tokens": 32}},
                "train": {"epochs": 3, "rate": 1e-3, **usual},
            },
        }
        prefers = {
            "judged": {**judged, "split": split},
            "prefer": {
                "kind": "train",
                "data": "@judged",
                "model": {"kind": "pretrained", "path": "@chat"},
                "task": {"kind": "prefer", "objective": "dpo", "beta": 0.1, **task, "too_long": "truncate"},
                "train": {"epochs": 3, "rate": 5e-4, **usual},
            },
            "test": {"kind": "evaluate", "bundle": "@prefer", "data": "@judged:test"},
        }
        run = trained({**answers, **prefers}, seed, Path(folder))
        scores = json.loads((Path(run["test"]) / "scores.json").read_text(encoding="utf-8"))["metrics"]
        losses = {
            stage: [line["loss"] for line in log_of(Path(run[stage])) if "loss" in line] for stage in ("chat", "prefer")
        }
    return {
        **{
            f"{stage}: loss, first tenth": float(np.mean(each[: max(1, len(each) // 10)]))
            for stage, each in losses.items()
        },
        **{
            f"{stage}: loss, last tenth": float(np.mean(each[-max(1, len(each) // 10) :]))
            for stage, each in losses.items()
        },
        **{f"prefer, test: {name}": each["value"] for name, each in scores.items()},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--instructions", type=Path, required=True)
    parser.add_argument("--preference", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    options = parser.parse_args()
    alike, rows = masks_by_hand(options.model, options.instructions)
    begin = time.monotonic()
    found = [measure(options, seed) for seed in range(options.seeds)]
    seconds = (time.monotonic() - begin) / options.seeds
    print(f"{machine()}; {options.seeds} seeds, {seconds:.0f} s each\n")
    print(f"Masks as written by hand: {alike} of {rows} conversations.\n")
    print(table(["", "mean ± deviation"], [[name, spread([each[name] for each in found], 1, 3)] for name in found[0]]))


if __name__ == "__main__":
    main()
